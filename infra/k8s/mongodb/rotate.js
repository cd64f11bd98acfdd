// Makes the mongod on this host load its renewed certificate.

const port = process.env.MONGODB_PORT ?? '27017';
const login = `root:${encodeURIComponent(process.env.MONGODB_ROOT_PASSWORD)}`;
const options = `directConnection=true&authSource=admin${process.env.MONGODB_OPTIONS ?? ''}`;
const admin = new Mongo(`mongodb://${login}@localhost:${port}/?${options}`).getDB('admin');
admin.runCommand({ rotateCertificates: 1, message: 'the certificate was renewed' });
print('certificate loaded');
