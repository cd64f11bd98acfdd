// Makes the replica set, its members and its users what they are to be, whatever they are now: safe to run
// again, and how a password is changed or a set grows. Runs beside the first member, by setup.sh.
//
// MEMBERS is how many there are, MONGODB_ROOT_PASSWORD root's password, MONGODB_PASSWORD_<NAME> that of each
// service, which may read and write the database of its name and nothing else.

const port = process.env.MONGODB_PORT ?? '27017';
const set = process.env.POD_NAME.replace(/-\d+$/, '');
const members = Array.from({ length: Number(process.env.MEMBERS) }, (_, i) => `${set}-${i}.${set}:${port}`);
const services = ['auth', 'tickets', 'orders', 'payments', 'expiration', 'web'];
const root = { user: 'root', pwd: process.env.MONGODB_ROOT_PASSWORD, roles: ['root'] };

const direct = (host) =>
  new Mongo(`mongodb://${host}/?directConnection=true&serverSelectionTimeoutMS=5000`).getDB('admin');
const hello = (admin) => admin.runCommand({ hello: 1 });
// Whether this user and password are right; the shell throws where they are not.
const isIn = (admin, { user, pwd }) => {
  try {
    return admin.auth(user, pwd).ok === 1;
  } catch (error) {
    if (error.codeName === 'AuthenticationFailed') return false;
    throw error;
  }
};

const here = direct(`localhost:${port}`);

// A first member whose disk was lost must not begin a second set beside the one that it belongs to: that one
// takes it in again by itself. So all others have to say that they are in none.
if (!hello(here).setName) {
  // Users are made in a set, so a member that has them was in one. It does not find itself in there any more, and
  // looks again when its liveness probe has it started again; a set made anew would not have what others hold.
  if (isIn(here, root)) throw new Error('this member has users but is in no set: removed, not fresh; trying again');
  for (const other of members.slice(1)) {
    if (hello(direct(other)).setName) throw new Error(`${other} is in a set already, which will take this one in`);
  }
  here.runCommand({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: members[0] }] } });
  print('replica set made');
}
let known = hello(here);
while (!known.primary || (known.primary === known.me && !known.isWritablePrimary)) {
  sleep(200);
  known = hello(here);
}

// root is made while the set has one member, which is its primary then. The server lets a client on its own
// host do this as long as there is no user at all.
if (known.isWritablePrimary && !isIn(here, root)) {
  here.runCommand({ createUser: root.user, pwd: root.pwd, roles: root.roles });
  print('root made');
}

const login = `${root.user}:${encodeURIComponent(root.pwd)}`;
const admin = new Mongo(`mongodb://${login}@${known.hosts.join()}/?replicaSet=rs0&w=majority`).getDB('admin');

for (const service of services) {
  const pwd = process.env[`MONGODB_PASSWORD_${service.toUpperCase()}`];
  if (!pwd) throw new Error(`MONGODB_PASSWORD_${service.toUpperCase()} is not set`);
  const user = { pwd, roles: [{ role: 'readWrite', db: service }] };
  const exists = admin.runCommand({ usersInfo: service }).users.length > 0;
  admin.runCommand({ [exists ? 'updateUser' : 'createUser']: service, ...user });
}
print('users are as they should be');

// One at a time: each is known to a majority before the next one comes.
for (const host of members) {
  const { config } = admin.runCommand({ replSetGetConfig: 1 });
  if (config.members.some((member) => member.host === host)) continue;
  config.members.push({ _id: Math.max(...config.members.map((member) => member._id)) + 1, host });
  config.version += 1;
  admin.runCommand({ replSetReconfig: config });
  print(`${host} joined`);
}
