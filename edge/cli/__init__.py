"""The commands of ``outfeed``. Each file imports what it works with inside its function: ``outfeed
--help`` and shell completion would else load an inference engine, 3 s on a small board."""
