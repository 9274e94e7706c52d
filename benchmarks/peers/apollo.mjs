// Apollo Server over the table bench_asset, as its documentation builds one.
// PEER_DSN (libpq words), PEER_PORT; run in a folder where package.json's dependencies are installed.
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import pg from 'pg';

const words = Object.fromEntries(process.env.PEER_DSN.split(' ').map((word) => word.split('=')));
const pool = new pg.Pool({
  host: words.host,
  port: Number(words.port),
  database: words.dbname,
  user: words.user,
  password: words.password,
  max: 8,
});
const typeDefs = `
  type Asset { id: ID! name: String! kind: String! description: String! }
  type Query { asset(id: ID!): Asset assets(first: Int = 100): [Asset!] }
`;
const resolvers = {
  Query: {
    asset: async (_, { id }) => {
      const text = "SELECT * FROM bench_asset WHERE tenant_id = 'alpha' AND id = $1";
      return (await pool.query({ name: 'one', text, values: [id] })).rows[0] ?? null;
    },
    assets: async (_, { first }) => {
      const text = "SELECT * FROM bench_asset WHERE tenant_id = 'alpha' ORDER BY id LIMIT $1";
      return (await pool.query({ name: 'many', text, values: [first] })).rows;
    },
  },
};
const server = new ApolloServer({ typeDefs, resolvers, csrfPrevention: false });
await startStandaloneServer(server, { listen: { port: Number(process.env.PEER_PORT), host: '127.0.0.1' } });
