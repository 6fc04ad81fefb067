import { openRenewedCredentials, type PeerCredentials } from '@holdfast/interconnect';

export class CredentialsMissingError extends Error {
  override readonly name = 'CredentialsMissingError';
  readonly code = 'CREDENTIALS_MISSING';
  constructor(directory: string) {
    super(`${directory}: expected server.crt.pem, server.key.pem and authority.crt.pem there`);
  }
}

/** And what is put in their place while they are used. Throws `CredentialsMissingError`. */
export async function requiredCredentials(directory: string): Promise<PeerCredentials> {
  const credentials = await openRenewedCredentials(directory);
  if (credentials === null) throw new CredentialsMissingError(directory);
  return credentials;
}
