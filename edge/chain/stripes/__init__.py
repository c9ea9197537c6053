"""Large frames: runs of a network over parts of a frame, with the result of one run over all of it.

reach.py calculates from the graph of a network the pixels on which a cell depends. plan.py cuts a
frame, so that every cell is taken from a run that has all of its pixels. detector.py runs the parts
on several cores. mask.py and regions.py are the steps filter and components in bounded memory.
"""
