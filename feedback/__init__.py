"""What the trainer's errors say about the next prior.

selection   the rules that choose among held-out samples
posterior   the conjugate update of the Dirichlet prior
rules       those that settings name, some of which look at training samples
chance      how far a prior moved beside how far chance alone would have
controller  (prior, held-out losses) -> next prior, with its on/off switch
history     every prior version with what led to it, append-only
report      all of a run on one page
"""
