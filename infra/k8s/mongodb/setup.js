// Creates or updates the replica set, its members and its users. Idempotent: it is also how a password is changed or
// a member added. setup.sh runs it next to the first member.
//
// MEMBERS is the number of members, MONGODB_ROOT_PASSWORD the password of root, and MONGODB_PASSWORD_<NAME> that of
// each service, which may read and write only the database of its name, and of audit, which may only read.
// MONGODB_OPTIONS is added to connection strings.

const port = process.env.MONGODB_PORT ?? '27017';
const set = process.env.POD_NAME.replace(/-\d+$/, '');
const members = Array.from({ length: Number(process.env.MEMBERS) }, (_, i) => `${set}-${i}.${set}:${port}`);
const services = ['auth', 'tickets', 'orders', 'payments', 'expiration', 'web'];
const users = new Map(services.map((service) => [service, [{ role: 'readWrite', db: service }]]));
users.set('audit', [{ role: 'readAnyDatabase', db: 'admin' }]);
const root = { user: 'root', pwd: process.env.MONGODB_ROOT_PASSWORD, roles: ['root'] };

const options = process.env.MONGODB_OPTIONS ?? '';
const direct = (host) =>
  new Mongo(`mongodb://${host}/?directConnection=true&serverSelectionTimeoutMS=5000${options}`).getDB('admin');
const hello = (admin) => admin.runCommand({ hello: 1 });
// Whether the server accepts this user and password. The shell throws if it does not.
const canLogIn = (admin, { user, pwd }) => {
  try {
    return admin.auth(user, pwd).ok === 1;
  } catch (error) {
    if (error.codeName === 'AuthenticationFailed') return false;
    throw error;
  }
};

const here = direct(`localhost:${port}`);

// A first member that lost its disk must not initiate a second set: the existing set takes it in again. So a set is
// initiated only if all other members report that they are in none.
if (!hello(here).setName) {
  // Users are created only in a set, so a member with users was in one and no longer finds itself in it. It looks again
  // after its liveness probe has restarted it. A new set would lack the data of the other members.
  if (canLogIn(here, root)) throw new Error('this member has users but is in no set: it was removed, it is not new; retrying');
  for (const other of members.slice(1)) {
    if (hello(direct(other)).setName) throw new Error(`${other} is already in a set, which will add this member`);
  }
  here.runCommand({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: members[0] }] } });
  print('replica set initiated');
}
let known = hello(here);
while (!known.primary || (known.primary === known.me && !known.isWritablePrimary)) {
  sleep(200);
  known = hello(here);
}

// root is created while the set has one member, which is then the primary. The server allows this to a client on
// its own host as long as no user exists.
if (known.isWritablePrimary && !canLogIn(here, root)) {
  here.runCommand({ createUser: root.user, pwd: root.pwd, roles: root.roles });
  print('root created');
}

const login = `${root.user}:${encodeURIComponent(root.pwd)}`;
const admin = new Mongo(`mongodb://${login}@${known.hosts.join()}/?replicaSet=rs0&w=majority${options}`).getDB('admin');

for (const [name, roles] of users) {
  const pwd = process.env[`MONGODB_PASSWORD_${name.toUpperCase()}`];
  if (!pwd) throw new Error(`MONGODB_PASSWORD_${name.toUpperCase()} is not set`);
  const exists = admin.runCommand({ usersInfo: name }).users.length > 0;
  admin.runCommand({ [exists ? 'updateUser' : 'createUser']: name, pwd, roles });
}
print('users are up to date');

// Members are added one at a time: a majority has to know each before the next is added.
for (const host of members) {
  const { config } = admin.runCommand({ replSetGetConfig: 1 });
  if (config.members.some((member) => member.host === host)) continue;
  config.members.push({ _id: Math.max(...config.members.map((member) => member._id)) + 1, host });
  config.version += 1;
  admin.runCommand({ replSetReconfig: config });
  print(`${host} joined`);
}
