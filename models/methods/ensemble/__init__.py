"""The method `ensemble`: the mean of a student, a bank and the local contrast."""
