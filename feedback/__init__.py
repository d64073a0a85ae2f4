"""What the trainer's errors say about the next prior.

selection   the rules that choose among held-out samples
posterior   the conjugate update of the Dirichlet prior
controller  (prior, held-out losses) -> next prior, with its on/off switch
history     every prior version with what led to it, append-only
report      all of a run on one page
"""
