"""From a prior to a published sample: the simulator side of the loop, free of bpy and torch.

robot          a robot's kinematics and keypoints, in numpy; from a URDF and a TOML file
labels         where keypoints fall, what is visible, the belief map
randomization  domain randomization: prior, variety, and all hidden variables, counter-based
sample         (image, belief map, hidden variables), and how a scene makes one
sample_maker   a robot before an engine, which makes samples
transport      the wire between simulators and the trainer (the only folder that imports zmq)
fleet          one simulator process, and several of them, kept alive
recordings     samples on disk: shards, exact replay, other formats
drawing        skeletons, belief maps and captions in pixels
label_check    labels measured against renderings
"""
