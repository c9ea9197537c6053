// A provider of OpenID Connect for tests: oidc-provider (npm, MIT) with one client and two people.
// node openid_provider.mjs PORT REDIRECT, with NODE_PATH's folder as the folder of oidc-provider.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [port, redirect, folder] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(createRequire(folder + '/').resolve('oidc-provider')));

const people = {
  anna: { preferred_username: 'anna', name: 'Anna Adler', groups: ['quality', 'other'] },
  carl: { preferred_username: 'carl', name: 'Carl', groups: ['canteen'] },
};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'outfeed', client_secret: 'a secret of the test client, long enough', redirect_uris: [redirect],
    grant_types: ['authorization_code'], response_types: ['code'],
  }],
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['preferred_username', 'name'], groups: ['groups'] },
  scopes: ['openid', 'profile', 'groups'],
  cookies: { keys: ['test'] },
  findAccount: (context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...people[id] }) }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
