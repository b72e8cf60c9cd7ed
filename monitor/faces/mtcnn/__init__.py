"""Finds faces with MTCNN (Zhang et al., 2016), as a fast cascade.

cascade    pixels -> Faces
networks   the three networks, as engines take them;  modules  the same, as torch modules
"""
