"""The training engine: recipe configuration, schedules, losses. Optional packages load only where they are used."""
