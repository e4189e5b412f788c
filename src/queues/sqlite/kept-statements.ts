// Statements of a few shapes, each prepared when it is first asked for and kept.

export class KeptStatements<Shape, Statement> {
  readonly #prepare: (shape: Shape) => Statement;
  readonly #known = new Map<Shape, Statement>();

  constructor(prepare: (shape: Shape) => Statement) {
    this.#prepare = prepare;
  }

  of(shape: Shape): Statement {
    const known = this.#known.get(shape);
    if (known !== undefined) return known;
    const statement = this.#prepare(shape);
    this.#known.set(shape, statement);
    return statement;
  }
}
