"""What one image shows, and the two ways to draw it: Blender and sticks.

spec          plain numbers: robot model, camera, light, materials, background; the Scene interface
robot_scene   the robot in Blender: built once, then posed, lit and re-coloured (imports bpy)
appearance    materials, lights and backgrounds of the Blender scene (imports bpy)
stick_scene   the same interface in numpy, milliseconds per image, no Blender

Only this folder imports bpy, and only its Blender modules do.
"""
