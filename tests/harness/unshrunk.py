"""A pytest plugin for mutation testing: examples are the same in every run, and are not shrunk.

A mutant is killed by the first test that fails. To look for a smaller example would take minutes
for each of them, and one that only some runs find would make two runs disagree.
"""

from hypothesis import Phase, settings

settings.register_profile(
    "mutation", derandomize=True, phases=(Phase.explicit, Phase.generate), print_blob=False
)
settings.load_profile("mutation")
