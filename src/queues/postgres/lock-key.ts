// The keys of our advisory locks. PostgreSQL knows them by number only, for a whole database: they stand for the schema
// of the tables, so that two services in two schemas do not meet.

/** "ccrq" with a number for what is locked. */
const PURPOSES = { migration: 0x63637201, counting: 0x63637202, lead: 0x63637203 } as const;

/** The key as an SQL expression of type bigint. */
export function lockKey(purpose: keyof typeof PURPOSES): string {
  return `(${PURPOSES[purpose]}::bigint << 32) | current_schema()::regnamespace::oid::bigint`;
}
