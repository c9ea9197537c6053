"""The method `ensemble`: the largest severity of a student, a bank and the local contrast."""
