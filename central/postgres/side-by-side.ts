/**
 * Statements of one transaction that need not wait for each other's answers: the connection takes them one behind the other. Or
 * transactions that go on beside each other. When one fails the others are let end before it is thrown, so that none is left over.
 */
export async function sideBySide<Results extends readonly unknown[]>(
  ...statements: { readonly [Index in keyof Results]: PromiseLike<Results[Index]> }
): Promise<Results> {
  const outcomes = await Promise.allSettled(statements);
  const failed = outcomes.find(outcome => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return outcomes.map(outcome => (outcome as PromiseFulfilledResult<unknown>).value) as unknown as Results;
}
