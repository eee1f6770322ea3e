"""Order among stages that need each other: who comes before whom, and cycles."""

from collections.abc import Mapping, Sequence

__all__ = ["ancestors", "cycle"]


def cycle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Stages that need each other in a circle, in its order; empty when none do. Unknown ids do not count."""
    state: dict[str, bool] = {}
    for start in needs:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            name, next_ = stack.pop()
            if next_ == 0:
                if name in state:
                    if not state[name]:
                        return path[path.index(name) :]
                    continue
                state[name] = False
                path.append(name)
            known = [need for need in needs[name] if need in needs]
            if next_ < len(known):
                stack += [(name, next_ + 1), (known[next_], 0)]
            else:
                state[name] = True
                path.pop()
    return []


def ancestors(needs: Mapping[str, Sequence[str]]) -> dict[str, dict[str, None]]:
    """All stages that come before each, directly or not; only for needs without a cycle."""
    found: dict[str, dict[str, None]] = {}
    for start in needs:
        stack = [start]
        while stack:
            name = stack[-1]
            known = [need for need in needs[name] if need in needs]
            waiting = [need for need in known if need not in found]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if name not in found:
                found[name] = dict.fromkeys(known)
                for need in known:
                    found[name].update(found[need])
    return found
