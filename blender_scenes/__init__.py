"""What one image shows, and the two ways to draw it: Blender and sticks.

spec          plain numbers: robot model, camera, light, materials, background; the Scene interface
robot_scene   the robot in Blender: built once, then posed, lit and re-coloured (imports bpy)
meshes        a robot's visuals, joined to one plain mesh per link (imports bpy)
collada       the surfaces of a Collada file; mesh_files knows the kinds of mesh files
lightmaps     light from all around, worked out so that it can be looked up; no bpy
shading       the shader of everything drawn, which looks it up (imports bpy)
appearance    materials, sun and surroundings of the Blender scene (imports bpy)
film          Blender's camera, render settings and the bytes it writes (imports bpy)
photos        the user's pictures as backgrounds; pictures reads their files
clutter       sharp things strewn over a panorama; places/ holds further panoramas
background    panorama behind the robot, sRGB encoding, compositing; no bpy
stick_scene   the same interface in numpy, milliseconds per image, no Blender

Only this folder imports bpy, and only its Blender modules do.
"""
