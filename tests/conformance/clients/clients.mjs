// GraphQL clients of others against a live server: graphql-ws, Apollo Client, urql.
// IG_URL, IG_TOKEN, IG_TENANT say where; run in a folder where the packages of package-lock.json are installed.
// Prints one JSON line for each check: {"name", "error"}, where an error of null means that it held.
import * as apollo from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import * as urql from '@urql/core';
import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

globalThis.WebSocket ??= WebSocket; // Apollo's link looks for it there, and older Nodes have none
const { IG_URL, IG_TOKEN, IG_TENANT } = process.env;
const HTTP = `${IG_URL}/graphql`;
const WS = HTTP.replace(/^http/, 'ws') + '/ws';
const headers = { authorization: `Bearer ${IG_TOKEN}` };
const CHANGES = 'subscription Changes($tenant: ID!, $since: String) { changes(tenantId: $tenant, since: $since) { eventId id entity { name } } }';
const TYPE = 'query Type($name: String!) { __type(name: $name) { name } }';
const UPSERT = 'mutation Upsert($input: [EntityInput!]!) { upsertEntities(input: $input) { entities { id } errors { code } } }';
const WRONG = '{ noSuchFieldAnywhere }';
const JOIN_MS = 600; // a subscription that was just sent needs a moment to join its feed

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const within = (ms, promise, what) => {
  let timer;
  const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error(`no ${what} within ${ms} ms`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};
let written = 0;
const named = (name) => ({ kind: 'Asset', externalId: `${process.pid}-${(written += 1)}`, name });
const write = async (...names) => {
  const body = JSON.stringify({ query: UPSERT, variables: { input: names.map(named) } });
  const answer = await (await fetch(HTTP, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body })).json();
  assert.deepEqual(answer.data?.upsertEntities.errors, [], JSON.stringify(answer));
};
const socketClient = (options = {}) => createClient({
  url: WS, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: { Authorization: `Bearer ${IG_TOKEN}` }, ...options,
});

const checks = {
  async 'graphql-ws receives what is written, in order'() {
    const client = socketClient();
    const events = client.iterate({ query: CHANGES, variables: { tenant: IG_TENANT } });
    const first = events.next();
    await pause(JOIN_MS);
    await write('one', 'two');
    await write('three');
    const seen = [await within(8000, first, 'event')];
    while (seen.length < 3) seen.push(await within(8000, events.next(), 'event'));
    assert.deepEqual(seen.map(({ value }) => value.data.changes.entity.name), ['one', 'two', 'three']);
    await within(3000, events.return(), 'end of the subscription');
    await client.dispose();
  },
  async 'graphql-ws comes back after a cut and misses nothing'() {
    let socket; let opened = 0; let since = null; const names = [];
    const client = socketClient({
      retryAttempts: 5, shouldRetry: () => true, retryWait: () => pause(200),
      on: { opened: (found) => { socket = found; opened += 1; } },
    });
    // Written out when the subscription is sent, so that a reconnect asks for what was missed.
    const variables = { toJSON: () => ({ tenant: IG_TENANT, since }) };
    let enough; const all = new Promise((done) => { enough = done; });
    client.subscribe({ query: CHANGES, variables }, {
      next: ({ data }) => { since = data.changes.eventId; names.push(data.changes.entity.name); if (names.length === 4) enough(); },
      error: () => {}, complete: () => {},
    });
    await pause(JOIN_MS);
    await write('before');
    for (let i = 0; i < 80 && names.length < 1; i += 1) await pause(50);
    socket.terminate();
    await write('missed', 'missed too');
    await pause(1200);
    await write('after');
    await within(10000, all, 'events after the cut');
    assert.ok(opened >= 2, 'it was not cut');
    assert.deepEqual(names, ['before', 'missed', 'missed too', 'after']);
    await client.dispose();
  },
  async 'graphql-ws runs queries and tells errors'() {
    const client = socketClient();
    const run = (query, variables) => new Promise((done, failed) => {
      let found; client.subscribe({ query, variables }, { next: (value) => { found = value; }, error: failed, complete: () => done(found) });
    });
    assert.equal((await within(5000, run(TYPE, { name: 'Query' }), 'answer')).data.__type.name, 'Query');
    const errors = await within(5000, run(WRONG).then(() => null, (found) => found), 'error');
    assert.ok(Array.isArray(errors) && errors[0].message.includes('noSuchFieldAnywhere'), JSON.stringify(errors));
    await client.dispose();
  },
  async 'graphql-ws is told that its token is wrong'() {
    const client = socketClient({ connectionParams: { Authorization: 'Bearer wrong' } });
    const ended = await within(5000, new Promise((done) => client.subscribe({ query: '{ __typename }' }, { next() {}, error: done, complete: () => done(null) })), 'refusal');
    assert.equal(ended?.code, 4403);
    await client.dispose();
  },
  async 'Apollo Client: query, mutation and error over HTTP'() {
    const client = new apollo.ApolloClient({ link: new apollo.HttpLink({ uri: HTTP, headers }), cache: new apollo.InMemoryCache() });
    assert.equal((await client.query({ query: apollo.gql(TYPE), variables: { name: 'Query' } })).data.__type.name, 'Query');
    const made = await client.mutate({ mutation: apollo.gql(UPSERT), variables: { input: [named('by Apollo')] } });
    assert.equal(made.data.upsertEntities.entities.length, 1);
    const error = await client.query({ query: apollo.gql(WRONG) }).then(() => null, (found) => found);
    assert.ok(apollo.CombinedGraphQLErrors.is(error), `surfaced as ${error?.name}: ${error?.message}`);
  },
  async 'Apollo Client: persisted queries are missed, registered, then sent without their text'() {
    const bodies = [];
    const seen = (url, init) => { bodies.push(init.body); return fetch(url, init); };
    const once = () => new apollo.ApolloClient({
      link: new PersistedQueryLink({ sha256: async (text) => createHash('sha256').update(text).digest('hex') })
        .concat(new apollo.HttpLink({ uri: HTTP, headers, fetch: seen })),
      cache: new apollo.InMemoryCache(),
    });
    const query = apollo.gql(`query Persisted${Date.now()} { apiVersion }`);
    await once().query({ query });
    assert.equal(bodies.length, 2);
    await once().query({ query });
    assert.equal(bodies.length, 3);
    assert.ok(!bodies[2].includes('apiVersion'), bodies[2]);
  },
  async 'Apollo Client: subscription over the websocket'() {
    const client = socketClient();
    const follower = new apollo.ApolloClient({ link: new GraphQLWsLink(client), cache: new apollo.InMemoryCache() });
    const seen = new Promise((done, failed) => {
      follower.subscribe({ query: apollo.gql(CHANGES), variables: { tenant: IG_TENANT } })
        .subscribe({ next: (result) => { if (result.error) failed(result.error); else if (result.data.changes.entity.name === 'to Apollo') done(); }, error: failed });
    });
    await pause(JOIN_MS);
    await write('to Apollo');
    await within(8000, seen, 'event');
    await client.dispose();
  },
  async 'urql: query, GET, mutation and error over HTTP'() {
    const make = (preferGetMethod) => new urql.Client({ url: HTTP, preferGetMethod, exchanges: [urql.fetchExchange], fetchOptions: { headers } });
    for (const method of [false, 'force']) {
      const answer = await make(method).query(TYPE, { name: 'Query' }).toPromise();
      assert.equal(answer.data?.__type.name, 'Query', String(answer.error));
    }
    const made = await make(false).mutation(UPSERT, { input: [named('by urql')] }).toPromise();
    assert.equal(made.data?.upsertEntities.entities.length, 1, String(made.error));
    const { error } = await make(false).query(WRONG, {}).toPromise();
    assert.ok(error?.graphQLErrors.length && !error.networkError, String(error));
  },
  async 'urql: subscription over the websocket'() {
    const client = socketClient();
    const exchange = urql.subscriptionExchange({
      forwardSubscription: (operation) => ({ subscribe: (sink) => ({ unsubscribe: client.subscribe({ ...operation, query: operation.query ?? '' }, sink) }) }),
    });
    const follower = new urql.Client({ url: HTTP, preferGetMethod: false, exchanges: [exchange], fetchOptions: { headers } });
    let subscription;
    const seen = new Promise((done, failed) => {
      subscription = follower.subscription(CHANGES, { tenant: IG_TENANT }).subscribe((result) => { if (result.error) failed(result.error); else if (result.data.changes.entity.name === 'to urql') done(); });
    });
    await pause(JOIN_MS);
    await write('to urql');
    await within(8000, seen, 'event');
    subscription.unsubscribe();
    await client.dispose();
  },
};

for (const [name, check] of Object.entries(checks)) {
  let error = null;
  try { await check(); } catch (found) { error = String(found?.stack ?? found); }
  console.log(JSON.stringify({ name, error }));
}
process.exit(0);
