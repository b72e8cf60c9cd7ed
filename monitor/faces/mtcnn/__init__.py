"""Detects faces with MTCNN (Zhang et al., 2016), as a fast cascade.

cascade    pixels -> Faces
networks   the three networks as input of a backend;  modules  the same as torch modules
"""
