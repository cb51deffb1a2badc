// Verifies webhooks by the official library: a JSON object a line in, "verified" or the reason a line out.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  try {
    const data = new Webhook(asked.secret).verify(asked.body, asked.headers);
    console.log("verified", data.id);
  } catch (error) {
    console.log("refused", error.constructor.name);
  }
}
