// Which methods a path takes, so that a wrong method is told from an unknown path. The framework's router answers
// only for one method at a time.

interface KnownRoute {
  readonly segments: readonly string[];
  readonly methods: readonly string[];
}

/** Filled while routes are registered, read for every request that no route took. */
export class RouteTable {
  readonly #routes: KnownRoute[] = [];

  /** `url` is the framework's pattern: `:name` stands for one segment, `*` for the rest. */
  add(methods: string | readonly string[], url: string): void {
    this.#routes.push({
      segments: url.split('/'),
      methods: typeof methods === 'string' ? [methods] : methods,
    });
  }

  /** The methods that this path takes, sorted; empty where the path is not known. */
  methodsOf(path: string): string[] {
    const segments = path.split('/');
    const methods = this.#routes
      .filter((route) => covers(route.segments, segments))
      .flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}

function covers(pattern: readonly string[], segments: readonly string[]): boolean {
  const hasRest = pattern.at(-1) === '*';
  if (hasRest ? segments.length < pattern.length : segments.length !== pattern.length) return false;
  return pattern.every(
    (part, index) => part === '*' || isParameter(part, segments[index]) || part === segments[index],
  );
}

function isParameter(part: string, segment: string | undefined): boolean {
  return part.startsWith(':') && segment !== undefined && segment !== '';
}
