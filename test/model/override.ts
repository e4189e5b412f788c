// One port in front of another: single methods replaced, the others passed on.

/** `base` with single methods replaced; the others keep their `this`. */
export function override<Port extends object>(base: Port, methods: Partial<Port>): Port {
  return new Proxy(base, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name) as unknown;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
