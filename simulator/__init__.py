"""From a prior to a published sample: the simulator side of the loop, free of bpy and torch.

robot      a robot's kinematics and keypoints, in numpy
urdf       robots from their URDF and a TOML file
prior      the Dirichlet-Categorical-Uniform prior over joint angles
hidden     draw all hidden variables of one image, counter-based
labels     where keypoints fall, what is visible, the belief map
sample     (image, belief map, hidden variables), and how a scene makes one
settings   what a run asks of its simulators
wire       samples <-> frames, with checks and limits
control    hellos, credits, assignments and goodbyes <-> frames
addresses  where trainers are reached, and which places are private
security   who may talk to whom
roster     who works for a run, and how far ahead of the trainer
delivery   counts of what came of it all
transport  the sockets between simulators and the trainer (the only folder that imports zmq)
process    what every rendering process needs: exit codes, limits, manners
studio     a robot before an engine, which makes samples
worker     one simulator process
fleet      several of them, kept alive
recipe     what makes a sample again, byte for byte; replay makes it
entry      one recorded sample as PNG and JSON; shards keep many in tar files
recording  a folder of shards; recorder fills it; convert writes it in other formats
"""
