"""Challenges: suites of tasks that anyone can enter, with learners, with folders of MetaDL, or with any program."""
