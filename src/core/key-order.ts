// The order in which stores list names: that of their UTF-8 bytes. Strings compare by UTF-16 units, which puts every
// character beyond the basic plane before U+E000 to U+FFFF; UTF-8 puts it behind.

const FIRST_SURROGATE = 0xd800;
const FIRST_BEHIND_SURROGATES = 0xe000;

/** Negative where `a` comes first, positive where `b` does, 0 for equal names. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA !== unitB) return rankOf(unitA) - rankOf(unitB);
  }
  return a.length - b.length;
}

/** Surrogates stand for characters behind all others; what follows them moves down by their number. */
function rankOf(unit: number): number {
  if (unit < FIRST_SURROGATE) return unit;
  return unit < FIRST_BEHIND_SURROGATES ? unit + 0x2000 : unit - 0x800;
}
