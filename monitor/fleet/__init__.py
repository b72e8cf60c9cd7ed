"""Places files and streams on the nodes of a Ray cluster.

Ray schedules, queues and restarts; this room says what a task and an actor do. It needs the extra ``fleet``.
"""
