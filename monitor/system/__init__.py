"""What every other room asks of the machine: whole files, logs, masked addresses, memory, JPEG, the database."""
