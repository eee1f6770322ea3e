"""Policies and calls for property tests: few names and many wildcards, so that rules often match and often shadow."""

from hypothesis import strategies as st

from perdure.domain.policy import Call, Level, Policy, Rule
from perdure.domain.tools import Effect

__all__ = ["calls", "policies", "rules"]

words = st.text(alphabet="abA", max_size=3)
globs = st.one_of(st.just("*"), st.text(alphabet="abA*?", max_size=3), st.sampled_from(["[ab]", "[!a]*", "a[[]*"]))
values = st.one_of(
    words,
    st.integers(0, 12),
    st.sampled_from([4.5, True, None]),
    st.lists(words, max_size=1),
    st.dictionaries(words, words, max_size=1),
)
names = st.sampled_from(["a", "b"])
effects = st.sampled_from(list(Effect))

rules = st.builds(
    Rule,
    level=st.sampled_from(list(Level)),
    agent=globs,
    tool=globs,
    tenant=globs,
    requester=globs,
    effect=st.lists(effects, max_size=4).map(tuple),
    arguments=st.dictionaries(names, st.one_of(globs, st.sampled_from(["4", "1?", '{"a":*', "tr*"])), max_size=2),
)
policies = st.builds(Policy, rules=st.lists(rules, max_size=5).map(tuple))
calls = st.builds(
    Call,
    agent=words,
    tool=words,
    effect=effects,
    tenant=words,
    requester=words,
    arguments=st.dictionaries(names, values, max_size=2),
)
