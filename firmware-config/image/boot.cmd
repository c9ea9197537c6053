# U-Boot: take the first slot of BOOT_ORDER that has attempts left, and count the attempt first.
#
# The state is one sector, twice, at the beginning of the partition `bootstate`: U-Boot's environment
# with its checksum. The first copy that is right counts. A power cut can spoil one of them only.
setenv BOOT_ORDER "A B"
setenv BOOT_A_LEFT 3
setenv BOOT_B_LEFT 0
setenv BOOT_A_GOOD 1
setenv BOOT_B_GOOD 0
setenv names "BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT BOOT_A_GOOD BOOT_B_GOOD"
setenv at 0x4f000000

part start ${devtype} ${devnum} 6 first
setexpr second ${first} + 8
${devtype} dev ${devnum}
${devtype} read ${at} ${first} 1
if env import -c ${at} 200 ${names}; then
    echo "outfeed: state of the boot: first copy"
else
    ${devtype} read ${at} ${second} 1
    if env import -c ${at} 200 ${names}; then
        echo "outfeed: state of the boot: second copy"
    else
        echo "outfeed: state of the boot: damaged, defaults are used"
    fi
fi

setenv slot
for each in ${BOOT_ORDER}; do
    if test -z "${slot}"; then
        if test ${each} = A; then
            if test ${BOOT_A_LEFT} -gt 0; then
                setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
                setenv slot A; setenv number 2
            fi
        elif test ${BOOT_B_LEFT} -gt 0; then
            setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
            setenv slot B; setenv number 3
        fi
    fi
done
if test -z "${slot}"; then
    # No attempts left at all. A unit never stays dead: slots that were confirmed once are tried again.
    echo "outfeed: no attempts left: confirmed slots are tried again"
    if test ${BOOT_A_GOOD} = 1; then setenv BOOT_A_LEFT 3; fi
    if test ${BOOT_B_GOOD} = 1; then setenv BOOT_B_LEFT 3; fi
    if test ${BOOT_A_LEFT} = 0 -a ${BOOT_B_LEFT} = 0; then
        setenv BOOT_A_LEFT 3; setenv BOOT_B_LEFT 3
    fi
fi
env export -c -s 200 ${at} ${names}
${devtype} write ${at} ${first} 1
${devtype} write ${at} ${second} 1

if test -n "${slot}"; then
    echo "outfeed: slot ${slot}, attempts left: A ${BOOT_A_LEFT}, B ${BOOT_B_LEFT}"
    setenv bootargs
    if load ${devtype} ${devnum}:${number} ${at} boot.env; then
        env import -t ${at} ${filesize} bootargs
    fi
    setenv bootargs "${bootargs} rauc.slot=${slot}"
    if load ${devtype} ${devnum}:${number} ${kernel_addr_r} vmlinuz; then
        if load ${devtype} ${devnum}:${number} ${ramdisk_addr_r} initrd.img; then
            booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}
        fi
    fi
    echo "outfeed: slot ${slot} cannot be started"
fi
reset
