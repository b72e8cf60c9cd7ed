"""Services of the machine for all rooms: atomic files, logs, masked addresses, memory, JPEG, the database."""
