"""The method `supersimplenet`: one network for good parts, marks and masks."""
