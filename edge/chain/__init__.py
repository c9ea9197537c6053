"""The chain: five steps that turn a Frame into a Verdict, without input or output or threads.

Source: He & Liu 2020 (IEEE Access 8:35583) for steps 1 to 4: detect, filter, components, classify.
"""
