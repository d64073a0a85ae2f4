"""Rules compared: many small trainings in pairs that differ in nothing but their arm.

study      what is compared, and the folder that keeps it
target     which poses the detector is judged on
worlds     where images come from; sticks draws them, pool takes them from a recording
training   one training of one arm, row by row
spread     trainings spread over processes; what is there already is not made again
outcome    samples to a level, areas and errors, with intervals and p
figure     the curves as a picture
"""
