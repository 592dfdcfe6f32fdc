"""Steps and questions that several procedures share. Like them they open nothing, and act through the run alone."""
