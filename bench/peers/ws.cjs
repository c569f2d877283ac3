// Node `ws`: a map of sockets and Redis pub/sub.
const { WebSocketServer } = require("ws");
const { createClient } = require("redis");

const subscriptions = new Map();

async function main() {
  const redis = createClient({ url: process.env.REDIS_URL });
  await redis.connect();
  await redis.pSubscribe("exec/*", (text, channel) => {
    for (const socket of subscriptions.get(channel.slice(5)) ?? []) socket.send(text);
  });
  const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("message", (text) => {
      const id = JSON.parse(text).data.graph_exec_id;
      if (!subscriptions.has(id)) subscriptions.set(id, new Set());
      subscriptions.get(id).add(socket);
      socket.once("close", () => subscriptions.get(id).delete(socket));
      socket.send('{"success":true}');
    });
  });
}

main();
