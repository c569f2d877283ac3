// Node Socket.IO: one room for each execution, and Redis pub/sub.
const { Server } = require("socket.io");
const { createClient } = require("redis");

async function main() {
  const redis = createClient({ url: process.env.REDIS_URL });
  await redis.connect();
  const io = new Server({ transports: ["websocket"], perMessageDeflate: false });
  await redis.pSubscribe("exec/*", (text, channel) => io.to(channel.slice(5)).emit("event", JSON.parse(text)));
  io.on("connection", (socket) => {
    socket.on("subscribe", (id) => {
      socket.join(id);
      socket.emit("subscribed");
    });
  });
  io.listen(Number(process.argv[2])); // last: a client that connects before the handler is set gets no answer
}

main();
