"""The commands of ``outfeed``: their options, help and output.

Each command imports its libraries inside its function. Otherwise ``outfeed --help`` and shell
completion would load an inference engine, which takes 3 s on a small board.
"""
