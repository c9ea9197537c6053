# Every target sets up what it needs in a virtual environment of its own; a machine with Python 3.10
# to 3.13 and make is enough. `make run` needs neither torch, a compiler, apt nor a broker.
#
#   make run       a simulated belt, the shipped bundle, an embedded broker: about a minute
#   make central   [CENTRAL_ARGS='--stations 4 --rate 5']: the central system on SQLite with simulated stations, and its wall page
#   make central-package [PACKAGES=build]: outfeed-central_VERSION_ARCH.deb for the Debian of this machine, with its libraries
#   make station-package [PACKAGES=build] [ARCH=amd64]: outfeed_VERSION_ARCH.deb for units with Debian 12 (amd64, arm64), with its libraries
#   make image     BOARD=arm64 SYSTEM_KEYS=system.pem [IMAGE=build/image] [VERSION=1.4.0] [FIRMWARE=folder] [MIRROR=address] [PINNED=packages.txt]: the disk image of a unit, for BOARD=arm64 (emulated), pc, rpi (FIRMWARE=Raspberry Pi's boot files) or jetson (a root file system); root
#   make system-bundle  BOARD=arm64 KEY=system.key [VERSION=1.4.0] [IMAGE=build/image]: the update of a system, from what `make image` built
#   make test      [SLOW=yes]: everything the tests need, then pytest, in parallel; tests that compare times have a core of their own; SLOW=yes adds the slow tests that it skips
#   make system-test  [SYSTEM=folder]: the drivers, then the shipped units, on an emulated arm64 machine; root
#   make system-update-test  KEY=system.key [BOARD=arm64] [IMAGE=build/image] [UPDATES='good hangs']: an emulated unit starts from the image and takes good and bad updates, an hour and more; root
#   make check     ruff, mypy --strict, import contracts, figures of the language (tools/language)
#   make docs      build/site: the documentation as a site, built without the network
#   make docs-test every command of the tutorials, the slow ones too
#   make reference docs/reference: the generated pages, again from the code
#   make train     DATA=folder [RECIPE=auto] [OUT=runs/NAME] [BUDGET_MS=5 [TARGET=rpi5]] [TEACHER=largest] [DEVICE=auto] [TRACK=tensorboard]: a run from a folder of pictures; BUDGET_MS trains the largest network whose frame takes no longer, here, on an estimated board (TARGET=rpi4, rpi5, orin or n100), or on the board of an `outfeed bench --json`; TEACHER=largest, a run or a torch state teaches it; TRACK=tensorboard or mlflow keeps losses and figures (extra track); DEVICE=cuda, mps or cpu, else a GPU where there is one
#   make export    RUN=runs/NAME [KEY=NAME.key] [EXPORT_ARGS=...]: signed with the key, where one is given
#   make learn     RUN=runs/NAME QUARANTINE=folder [KEY=NAME.key] [DEVICE=auto] [LEARN_ARGS=...]: from released marked parts
#   make bench     [BENCH=folder] [BENCH_ARGS=--methods]: Outfeed against what a user would pick instead (bench/peers); --methods: EfficientAD, PaDiM, PatchCore, SuperSimpleNet, SegDecNet, U-Net and YOLO in the engines of a station
#   make bench-arm [ARM=build/arm] [ARM_ARGS='--core a76']: instructions per frame on emulated Arm cores, tables and target profiles (bench/arm); Debian 12 with qemu-user, mmdebstrap and gcc
#   make soak      [SOAK_ARGS='--parts 1000000']: a million parts on a line where everything goes wrong
#   make soak-central [CENTRAL_KILLS_ARGS='--kills 1000']: everything from journals to PostgreSQL killed at random; as root, with Mosquitto
#   make chaos     [CHAOS_ARGS='--faults 1000 --seed 1']: random faults on a real line; as root, with Mosquitto
#   make dist      build/outfeed.tar.gz: the sources with the bundles, for a machine without the repository
#   make lock      [LOCK_ARGS=--upgrade]: requirements/*.txt, every library with its hashes, and what it is made of
#   make sbom      requirements/*.cdx.json alone (CycloneDX)
#   make report    RUN=runs/NAME: its page again, after export with int8 beside float; with RUNS='runs/A runs/B' in its place, what each finds and the other does not
#   make tables    RUNS='runs/A runs/B' [TABLES=folder]: the paper's tables and figures
#   make compare   DATA='a b' [RECIPES='paper lean nano']: networks side by side, see bench/compare.py
#   make ladder    DATA="a b" [SEEDS="0 1"]: every size of the network and reference methods, accuracy against ms, see bench/ladder.py
#   make methods   DATA="a b" [METHODS="memory-bank texture"]: every method on every data set, see bench/methods
#   make benchmark SET=mvtec-ad DATA=folder [DEVICE=auto] [BENCHMARK_ARGS='--recipe memory-bank --seed 0']: a published set by its protocol
#   make zoo       trains and packs the shipped bundles from their recipes; their pages lie in runs/; KEY=zoo.key signs them

PYTHON ?= python3
# The version of the lock, exactly. A build for a GPU: TORCH='torch==2.13.0 --index-url ADDRESS'
# (docs/how-to/train-a-network.md).
TORCH ?= torch==2.13.0

STATION := .venv-run
CENTRAL := .venv-central
DEV := .venv
TFLITE := .venv-tflite
LOCK := .venv-lock
# yes: `make run` and `make test` install exactly what requirements/ names, compared by hash.
LOCKED ?=
BUNDLE ?= models/zoo/textures-lean.outfeed
RECIPE ?= auto
DEVICE ?= auto
OUT ?= runs/$(notdir $(patsubst %/,%,$(DATA)))-$(notdir $(basename $(RECIPE)))
DEMO_ARGS ?=
CENTRAL_ARGS ?=
PACKAGES ?= build
SYSTEM_PYTHON ?= /usr/bin/python3
ARCH ?= $(shell dpkg --print-architecture)
MACHINE_amd64 := x86_64
MACHINE_arm64 := aarch64
LOCKS_amd64 := requirements/station.txt
LOCKS_arm64 := requirements/station.txt requirements/pi.txt
STATION_PIP := -m pip --quiet --disable-pip-version-check
# Of the package of the station; empty: that of the source.
VERSION ?=
IMAGE ?= build/image
BOARD ?=
SYSTEM_KEYS ?=
FIRMWARE ?=
MIRROR ?=
PINNED ?=
UPDATES ?=
IMAGE_ARGS = --out "$(IMAGE)" $(if $(VERSION),--version "$(VERSION)") $(if $(SYSTEM_KEYS),--keys "$(SYSTEM_KEYS)") \
	$(if $(FIRMWARE),--firmware "$(FIRMWARE)") $(if $(MIRROR),--mirror "$(MIRROR)") $(if $(PINNED),--packages "$(PINNED)")
PYTEST_ARGS ?=
SLOW ?= $(OUTFEED_SLOW)
# The folders whose tests take longest begin, so that no worker waits for one of them at the end.
LONG := tests/export tests/bench tests/models tests/central tests/uplink
# Folders whose tests watch the clock, the belt or a watchdog, and so need a core to themselves, and
# files there that do not. Two processes run them, each with what it starts on a core of its own.
ALONE := $(addprefix tests/,cli hangs rejector station tutorials)
# These boot machines. systemd-nspawn cannot place the services of two machines that run at once.
MACHINES := tests/firmware
NOT_ALONE := $(patsubst %,tests/cli/test_%.py,bench bench_select board_check bundle bundle_sign bundle_trial command commands \
	disk_usage doctor emptied engine_option inspect kill_recovery label mark page privileges quarantine replay run_trust \
	station_killed terminals) \
	$(patsubst %,tests/station/test_%.py,crashes deferred_journal drift journal_thread pictures recent_parts self_tests \
	station station_camera station_counts) \
	$(patsubst %,tests/rejector/test_%.py,announced gpio_belt gpio_output guard loop messages options outcomes)
PARALLEL := $(LONG) $(filter-out $(LONG) $(ALONE) $(MACHINES) tests/support,$(patsubst %/,%,$(wildcard tests/*/))) $(NOT_ALONE)
# One more than there are cores, because many tests wait for a process that they started; at most 4.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell expr $(CORES) + 1)
EXPORT_ARGS ?=
LEARN_ARGS ?=
KEY ?=
BENCH ?= build/bench
SYSTEM ?= build/system
BENCH_ARGS ?=
ARM ?= build/arm
ARM_ARGS ?=
TRAIN_ARGS ?=
REPORT_ARGS ?=
SOAK_ARGS ?=
CHAOS_ARGS ?=
CENTRAL_KILLS_ARGS ?=
TABLES ?= build/tables
RECIPES ?= paper lean nano
COMPARE_ARGS ?=
BUDGET_MS ?=
TARGET ?=
TEACHER ?=
SEEDS ?= 0
LADDER_ARGS ?=
DIST ?= build/outfeed.tar.gz
DIST_FILES := $(wildcard README.md ARCHITECTURE.md CHANGELOG.md LICENSE THIRD_PARTY_NOTICES pyproject.toml requirements) \
	edge models export central firmware-config docs
METHODS ?= threshold texture autoencoder memory-bank template cascade lean
METHODS_ARGS ?=
BENCHMARK_ARGS ?=
SETS := mvtec-ad mvtec-ad-2 visa btad kolektorsdd kolektorsdd2 dagm2007 deeppcb deepcrack crackforest elpv \
	elpv-by-cell magnetic-tile magnetic-tile-by-file

LOCK_ARGS ?=
COMPILE := $(LOCK)/bin/uv pip compile --quiet --config-file requirements/uv.toml --universal \
	--python-version 3.10 --no-python-downloads --generate-hashes --no-header --no-annotate
SBOM := $(LOCK)/bin/python -W ignore -m cyclonedx_py requirements --index-url . --short-PURLs \
	--output-reproducible --pyproject pyproject.toml
# Without the maker's own web addresses and the hashes a second time, as text.
SLIM := $(LOCK)/bin/python -c 'import json, sys; bom = json.load(sys.stdin); del bom["metadata"]["tools"]; \
	[part.pop("description", None) for part in bom["components"]]; print(json.dumps(bom, indent=1))'
FROM_LOCK := -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement
ITSELF := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: run central central-package station-package image system-bundle test compiled-tests system-test system-update-test check check-types check-style docs docs-test reference train export learn report tables compare ladder methods benchmark bench bench-arm soak soak-central chaos zoo dist lock sbom clean

run: $(STATION)/.ready
	$(STATION)/bin/python -m models.data.textures --out build/demo-parts --count 120 --seed 7 \
		--defective 0.25 --force
	$(STATION)/bin/outfeed demo --bundle $(BUNDLE) --frames build/demo-parts --out build/demo \
		$(DEMO_ARGS)

central: $(CENTRAL)/.ready
	$(CENTRAL)/bin/python -m models.data.textures --out build/demo-parts --count 120 --seed 7 \
		--defective 0.25 --force
	$(CENTRAL)/bin/outfeed-central demo --bundle $(BUNDLE) --frames build/demo-parts --out build/central \
		$(CENTRAL_ARGS)

# The libraries are those of the lock, for the Python of the system that will run them.
central-package:
	rm -rf build/central-site build/central-builder
	$(SYSTEM_PYTHON) -m venv build/central-builder
	build/central-builder/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		--no-compile --target build/central-site --requirement requirements/central.txt
	rm -rf build/central-site/bin
	build/central-builder/bin/python -m tools.debian central --site build/central-site --out "$(PACKAGES)"

# For the Python 3.11 of Debian 12. The wheels are those of the locks, chosen by architecture, so that
# the package for arm64 is built on any machine. On a Raspberry Pi, Debian has python-prctl. Only the
# modules of pidng are needed, which picamera2 imports; it has no wheel.
station-package:
	@test -n "$(MACHINE_$(ARCH))" || { echo "make station-package: ARCH=$(ARCH): expected amd64 or arm64" >&2; exit 2; }
	rm -rf build/station-$(ARCH) build/station-builder
	$(SYSTEM_PYTHON) -m venv build/station-builder
	mkdir -p build/station-$(ARCH)/site
	build/station-builder/bin/python -m tools.debian.locks $(LOCKS_$(ARCH)) --without pidng --without python-prctl \
		> build/station-$(ARCH)/lock.txt
	build/station-builder/bin/python $(STATION_PIP) install --require-hashes --no-deps --no-compile --only-binary=:all: --target build/station-$(ARCH)/site \
		--python-version 3.11 --implementation cp \
		$(foreach glibc,36 35 34 31 28 27 17,--platform manylinux_2_$(glibc)_$(MACHINE_$(ARCH))) \
		--platform manylinux2014_$(MACHINE_$(ARCH)) --requirement build/station-$(ARCH)/lock.txt
ifeq ($(ARCH),arm64)
	build/station-builder/bin/python -m tools.debian.locks $(LOCKS_$(ARCH)) --only pidng > build/station-$(ARCH)/pidng.txt
	build/station-builder/bin/python $(STATION_PIP) download --require-hashes --no-deps --no-binary=:all: --no-build-isolation \
		--dest build/station-$(ARCH)/sdist --requirement build/station-$(ARCH)/pidng.txt
	tar --extract --file build/station-$(ARCH)/sdist/pidng-*.tar.gz --directory build/station-$(ARCH)/site --strip-components 2 \
		--wildcards 'pidng-*/src/pidng/*.py'
endif
	rm -rf build/station-$(ARCH)/site/bin
	build/station-builder/bin/python -m tools.debian station --site build/station-$(ARCH)/site --architecture $(ARCH) \
		--out "$(PACKAGES)" $(if $(VERSION),--version "$(VERSION)")

image: $(STATION)/.ready
	$(STATION)/bin/python -m tools.image check --board "$(BOARD)" $(IMAGE_ARGS)
	$(MAKE) station-package ARCH=$(if $(filter pc,$(BOARD)),amd64,arm64) PACKAGES="$(IMAGE)"
	$(STATION)/bin/python -m tools.image image --board "$(BOARD)" $(IMAGE_ARGS) \
		--package "$$(ls -t "$(IMAGE)"/outfeed_*_$(if $(filter pc,$(BOARD)),amd64,arm64).deb | head -n 1)"

system-bundle: $(STATION)/.ready
	$(STATION)/bin/python -m tools.image bundle --board "$(BOARD)" --out "$(IMAGE)" \
		$(if $(KEY),--key "$(KEY)") $(if $(VERSION),--version "$(VERSION)")

# Compiles the modules of the tests. Else each process of the first `make test` of a checkout does.
compiled-tests: $(DEV)/.ready
	@mkdir -p build
	$(DEV)/bin/python -m pytest --collect-only --quiet > build/collected-tests.txt || { cat build/collected-tests.txt; exit 1; }

# With PYTEST_ARGS, which may choose tests, all of it is one run.
test: export OUTFEED_SLOW := $(SLOW)
test: $(DEV)/.ready $(TFLITE)/.ready
ifeq ($(strip $(PYTEST_ARGS)),)
	$(DEV)/bin/python -m pytest $(PARALLEL) --numprocesses $(WORKERS) --maxprocesses 4 \
		--dist loadfile --no-loadscope-reorder
	OUTFEED_TEST_CORES=own $(DEV)/bin/python -m pytest $(ALONE) $(addprefix --ignore=,$(NOT_ALONE)) \
		--numprocesses $(CORES) --maxprocesses 2 --dist loadfile
	$(DEV)/bin/python -m pytest $(MACHINES)
else
	$(DEV)/bin/python -m pytest $(PYTEST_ARGS)
endif

system-test: $(DEV)/.ready
	tests/system/build.sh $(SYSTEM) $(DEV)/bin/python
	$(DEV)/bin/python -m tests.system.run --image $(SYSTEM) --log $(SYSTEM)/console.log

system-update-test: $(DEV)/.ready
	@test -n "$(KEY)" || { echo "make system-update-test: KEY=system.key is missing" >&2; exit 2; }
	$(DEV)/bin/python -m tests.system.updates --image "$(IMAGE)" --board "$(or $(BOARD),arm64)" --key "$(KEY)" \
		$(if $(UPDATES),--only $(UPDATES))

# Two targets, so that `make --jobs=2 check docs` takes little longer than mypy alone.
check: check-types check-style

check-types: $(DEV)/.ready
	$(DEV)/bin/mypy

check-style: $(DEV)/.ready
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/lint-imports
	$(DEV)/bin/python -m tools.language

# Without --quiet, which hides warnings from --strict too.
docs: $(DEV)/.ready
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/python -m mkdocs build --strict

docs-test: $(DEV)/.ready
	OUTFEED_DOCS_SLOW=1 $(DEV)/bin/python -m pytest tests/docs tests/tutorials

reference: $(DEV)/.ready
	$(DEV)/bin/python -m tools.reference

train: $(DEV)/.ready
	@test -n "$(DATA)" || { echo "make train: DATA=folder of pictures is missing" >&2; exit 2; }
	$(DEV)/bin/python -m models.training --data "$(DATA)" --recipe "$(RECIPE)" --out "$(OUT)" --device "$(DEVICE)" $(if $(BUDGET_MS),--budget-ms "$(BUDGET_MS)") $(if $(TARGET),--target "$(TARGET)") $(if $(TEACHER),--teacher "$(TEACHER)") $(if $(TRACK),--track "$(TRACK)") $(TRAIN_ARGS)

export: $(DEV)/.ready $(TFLITE)/.ready
	@test -n "$(RUN)" || { echo "make export: RUN=runs/NAME is missing" >&2; exit 2; }
	$(DEV)/bin/python -m export --run "$(RUN)" $(if $(KEY),--key "$(KEY)") $(EXPORT_ARGS)

learn: $(DEV)/.ready $(TFLITE)/.ready
	@test -n "$(RUN)" || { echo "make learn: RUN=runs/NAME is missing" >&2; exit 2; }
	@test -n "$(QUARANTINE)" || { echo "make learn: QUARANTINE=folder is missing" >&2; exit 2; }
	$(DEV)/bin/python -m export.feedback --run "$(RUN)" --quarantine "$(QUARANTINE)" --device "$(DEVICE)" $(if $(KEY),--key "$(KEY)") $(LEARN_ARGS)

bench: $(DEV)/.ready
	$(DEV)/bin/python -m bench.peers --out "$(BENCH)" $(BENCH_ARGS)

# Emulated, with a first download of some 250 MB.
bench-arm: $(DEV)/.ready $(TFLITE)/.ready
	$(DEV)/bin/python -m bench.arm --out "$(ARM)" $(ARM_ARGS)

# One core, some six minutes.
soak: $(DEV)/.ready
	$(DEV)/bin/python -m bench.soak $(SOAK_ARGS)
	$(DEV)/bin/python -m bench.flips
	$(DEV)/bin/python -m bench.stops

# A thousand faults, some twenty minutes; as root, with Mosquitto.
soak-central: $(DEV)/.ready
	$(DEV)/bin/python -m bench.central_kills $(CENTRAL_KILLS_ARGS)

chaos: $(DEV)/.ready
	$(DEV)/bin/python -m bench.chaos $(CHAOS_ARGS)

zoo: $(DEV)/.ready $(TFLITE)/.ready
	$(DEV)/bin/python -m models.data.textures --out build/textures --count 4000 --seed 20 \
		--defective 0.5 --force
	for size in lean nano; do \
		$(DEV)/bin/python -m models.training --data build/textures --recipe textures-$$size \
			--out runs/textures-$$size && \
		$(DEV)/bin/python -m export --run runs/textures-$$size \
			--out models/zoo/textures-$$size.outfeed $(if $(KEY),--key "$(KEY)") && \
		$(DEV)/bin/python -m models.report --run runs/textures-$$size || exit 1; \
	done

report: $(DEV)/.ready
	@test -n "$(RUN)$(RUNS)" || { echo "make report: RUN=runs/NAME, or RUNS='runs/A runs/B', is missing" >&2; exit 2; }
	$(DEV)/bin/python -m models.report $(if $(RUNS),$(foreach run,$(RUNS),--run $(run)),--run "$(RUN)") $(REPORT_ARGS)

tables: $(DEV)/.ready
	@test -n "$(RUNS)" || { echo "make tables: RUNS='runs/A runs/B' is missing" >&2; exit 2; }
	$(DEV)/bin/python -m bench.papertables $(foreach run,$(RUNS),--run $(run)) --out "$(TABLES)"

compare: $(DEV)/.ready
	@test -n "$(DATA)" || { echo "make compare: DATA='folder folder' is missing" >&2; exit 2; }
	$(DEV)/bin/python -m bench.compare $(foreach data,$(DATA),--data "$(data)") \
		$(foreach recipe,$(RECIPES),--recipe $(recipe)) --out runs/compare $(COMPARE_ARGS)

ladder: $(DEV)/.ready
	@test -n "$(DATA)" || { echo "make ladder: DATA='folder folder' is missing" >&2; exit 2; }
	$(DEV)/bin/python -m bench.ladder $(foreach data,$(DATA),--data "$(data)") \
		$(foreach seed,$(SEEDS),--seed $(seed)) --out runs/ladder $(LADDER_ARGS)

methods: $(DEV)/.ready
	@test -n "$(DATA)" || { echo "make methods: DATA='folder folder' is missing" >&2; exit 2; }
	$(DEV)/bin/python -m bench.methods $(foreach data,$(DATA),--data "$(data)") \
		$(foreach method,$(METHODS),--method $(method)) --out runs/methods $(METHODS_ARGS)

benchmark: $(DEV)/.ready
	@test -n "$(SET)" || { echo "make benchmark: SET=mvtec-ad, or another set of: $(SETS), is missing" >&2; exit 2; }
	@test -n "$(DATA)" || { echo "make benchmark: DATA=folder of your copy is missing" >&2; exit 2; }
	$(DEV)/bin/python -m bench.public_sets --set "$(SET)" --data "$(DATA)" --out runs/benchmark --device "$(DEVICE)" $(BENCHMARK_ARGS)

# Named one by one: keys, runs and pictures lie in the same folder, and no unit may have them.
dist:
	@mkdir -p "$$(dirname "$(DIST)")"
	tar --create --gzip --file "$(DIST)" --exclude=__pycache__ --exclude='*.key' --owner=0 --group=0 \
		--transform 's,^,outfeed/,' $(DIST_FILES)

# One line a kind of machine. The others take the workstation's
# versions, so that a bundle is proven by the libraries that run it. picamera2 needs libcap-dev here.
lock: $(LOCK)/.ready
	$(COMPILE) $(LOCK_ARGS) --output-file requirements/workstation.txt requirements/build.in pyproject.toml \
		$(addprefix --extra ,demo train export litert openvino label page central s3 gpio dev docs)
	$(COMPILE) --output-file requirements/run.txt --constraint requirements/workstation.txt \
		requirements/build.in pyproject.toml --extra demo
	$(COMPILE) --output-file requirements/central.txt --constraint requirements/workstation.txt \
		requirements/build.in pyproject.toml $(addprefix --extra ,demo central s3)
	$(COMPILE) --output-file requirements/station.txt --constraint requirements/workstation.txt \
		requirements/build.in pyproject.toml $(addprefix --extra ,gpio litert openvino page)
	$(COMPILE) --output-file requirements/pi.txt --constraint requirements/workstation.txt \
		requirements/build.in pyproject.toml $(addprefix --extra ,pi litert page)
	$(MAKE) sbom

sbom: $(LOCK)/.ready
	$(SBOM) requirements/station.txt | $(SLIM) > requirements/station.cdx.json
	$(SBOM) requirements/pi.txt | $(SLIM) > requirements/pi.cdx.json

clean:
	rm -rf build .venv-run .venv-central .venv .venv-tflite .venv-lock .mypy_cache .ruff_cache .pytest_cache

$(STATION)/.ready: pyproject.toml
	@echo "installing the station's libraries into $(STATION): once, some minutes without a line"
	$(PYTHON) -m venv $(STATION)
ifeq ($(LOCKED),yes)
	$(STATION)/bin/python $(FROM_LOCK) requirements/run.txt
	$(STATION)/bin/python $(ITSELF)
else
	$(STATION)/bin/python $(PIP) --editable '.[demo]'
endif
	@touch $@

$(CENTRAL)/.ready: pyproject.toml
	@echo "installing the central system's libraries into $(CENTRAL): once, some minutes without a line"
	$(PYTHON) -m venv $(CENTRAL)
ifeq ($(LOCKED),yes)
	$(CENTRAL)/bin/python $(FROM_LOCK) requirements/central.txt
	$(CENTRAL)/bin/python $(ITSELF)
else
	$(CENTRAL)/bin/python $(PIP) --editable '.[demo,central]'
endif
	@touch $@

$(DEV)/.ready: pyproject.toml
	@echo "installing torch and the workshop's libraries into $(DEV): once, some minutes without a line"
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) $(TORCH)
ifeq ($(LOCKED),yes)
	$(DEV)/bin/python $(FROM_LOCK) requirements/workstation.txt
	$(DEV)/bin/python $(ITSELF)
else
	$(DEV)/bin/python $(PIP) --editable '.[demo,train,export,litert,openvino,label,page,central,s3,dev,docs]'
endif
	@touch $@

# Two gigabytes apart from the others: it wants other versions than a station and than training.
$(TFLITE)/.ready: export/tflite/requirements.txt
	@echo "installing TFLite's tool chain, two gigabytes into $(TFLITE): once, some minutes without a line"
	$(PYTHON) -m venv $(TFLITE)
	$(TFLITE)/bin/python $(PIP) $(TORCH)
	$(TFLITE)/bin/python $(PIP) --requirement export/tflite/requirements.txt
	@touch $@

$(LOCK)/.ready:
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/python $(PIP) uv==0.13.9 cyclonedx-bom==7.5.0
	@touch $@
