// The seed's subscription server: graphql-ws on ws, fed by Redis through ioredis.
// DESIGN=literal opens a Redis connection per subscriber, as the seed's pubsub.ts does; DESIGN=shared holds one for the
// process and parses each message once. Either way graphql-js executes the selection per subscriber and event.
// PEER_PORT, PEER_REDIS (path of Redis' socket), PEER_REDIS_PASSWORD; run in a folder where package.json's dependencies are installed.
import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';

const schema = buildSchema(`
  type Asset {
    id: ID! tenantId: ID! name: String! kind: String! externalId: String region: String source: String licence: String
  }
  type Query { ready: Boolean }
  type Subscription { assetUpdated(tenantId: ID!, id: ID!): Asset }
`);
const connected = () => new Redis(process.env.PEER_REDIS, { password: process.env.PEER_REDIS_PASSWORD });

// Calls back with each message of a channel; returns what stops it.
function literal(channel, take) {
  const redis = connected();
  redis.subscribe(channel);
  redis.on('message', (_, message) => take(JSON.parse(message)));
  return () => redis.disconnect();
}

const topics = new EventEmitter().setMaxListeners(0);
let one;
function shared(channel, take) {
  if (one === undefined) {
    one = connected();
    one.on('message', (name, message) => topics.emit(name, JSON.parse(message)));
  }
  if (topics.listenerCount(channel) === 0) one.subscribe(channel);
  topics.on(channel, take);
  return () => topics.off(channel, take);
}

// Events as an async iterator, without bound.
class Events {
  waiting = [];
  first = 0;
  constructor(follow) {
    this.stop = follow((event) => {
      if (this.wake === undefined) {
        this.waiting.push(event);
      } else {
        const wake = this.wake;
        this.wake = undefined;
        wake({ value: event, done: false });
      }
    });
  }
  [Symbol.asyncIterator]() {
    return this;
  }
  async next() {
    if (this.first === this.waiting.length) return new Promise((wake) => (this.wake = wake));
    const value = this.waiting[this.first++];
    if (this.first > 1024) {
      this.waiting.splice(0, this.first);
      this.first = 0;
    }
    return { value, done: false };
  }
  async return() {
    this.stop();
    this.wake?.({ value: undefined, done: true });
    return { value: undefined, done: true };
  }
}

const follow = process.env.DESIGN === 'literal' ? literal : shared;
schema.getSubscriptionType().getFields().assetUpdated.subscribe = (_, { tenantId, id }) =>
  new Events((take) => follow(`asset:${tenantId}:${id}`, (asset) => take({ assetUpdated: asset })));

const server = createServer();
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
server.listen(Number(process.env.PEER_PORT), '127.0.0.1');
