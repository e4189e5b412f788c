// Many single requests in few calls: what is asked for while calls are under way goes into the next one together.
interface Waiting<Item> {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface GroupedCallsOptions<Item> {
  /** Resolves when all of them are done; rejects for all of them. */
  readonly call: (items: readonly Item[]) => Promise<void>;
  /** What one call takes at most. */
  readonly itemsPerCall: number;
  /** Calls at the same time, at most. */
  readonly calls: number;
}

export class GroupedCalls<Item> {
  readonly #options: GroupedCallsOptions<Item>;
  #waiting: Waiting<Item>[] = [];
  #underWay = 0;

  constructor(options: GroupedCallsOptions<Item>) {
    this.#options = options;
  }

  /** Resolves when the call with this item is done; rejects with its error. */
  async add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#callMore();
    });
  }

  #callMore(): void {
    const { calls, itemsPerCall } = this.#options;
    while (this.#waiting.length > 0 && this.#underWay < calls) {
      this.#underWay += 1;
      const group = this.#waiting.slice(0, itemsPerCall);
      this.#waiting = this.#waiting.slice(itemsPerCall);
      void this.#call(group).finally(() => {
        this.#underWay -= 1;
        this.#callMore();
      });
    }
  }

  async #call(group: readonly Waiting<Item>[]): Promise<void> {
    try {
      await this.#options.call(group.map(({ item }) => item));
      for (const { resolve } of group) resolve();
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
