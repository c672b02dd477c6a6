// All that a viewer asks of a DICOMweb server, by npm's dicomweb-client; the outcome as one line of JSON.
// usage: node dicomweb.js ROOT FILE...
//        stores the files, which are instances of one series, and asks for them and for the frames of the first
'use strict';

const crypto = require('crypto');
const fs = require('fs');

global.XMLHttpRequest = require('xhr2');
const { api } = require('dicomweb-client');

const [root, ...files] = process.argv.slice(2);
const client = new api.DICOMwebClient({ url: root, singlepart: '' });
const single = new api.DICOMwebClient({ url: root, singlepart: 'bulkdata' });
const RAW = 'application/octet-stream';

function digest(buffer) {
  return crypto.createHash('sha256').update(Buffer.from(buffer)).digest('hex');
}

function bytes(path) {
  const content = fs.readFileSync(path);
  return content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
}

async function refusal(promise) {
  try {
    await promise;
    return 200;
  } catch (error) {
    return error.status;
  }
}

async function main() {
  const outcome = {};
  outcome.stored = await client.storeInstances({ datasets: files.map(bytes) });
  const [instance] = files.map((path) => path.match(/([0-9.]+)\.dcm$/)[1]);
  const [study] = (await client.searchForInstances({ queryParams: { SOPInstanceUID: instance } }))
    .map((row) => row['0020000D'].Value[0]);
  const studyInstanceUID = study;
  outcome.studies = await client.searchForStudies(
    { queryParams: { StudyInstanceUID: study, includefield: ['00081030', 'PatientAge'], limit: 5 } });
  outcome.none = await client.searchForStudies({ queryParams: { PatientID: 'no such mouse' } });
  outcome.series = await client.searchForSeries({ studyInstanceUID });
  const seriesInstanceUID = outcome.series[0]['0020000E'].Value[0];
  const inSeries = { studyInstanceUID, seriesInstanceUID };
  outcome.instances = await client.searchForInstances({ ...inSeries, queryParams: { limit: 1 } });
  const one = { ...inSeries, sopInstanceUID: instance };
  outcome.metadata = {
    study: await client.retrieveStudyMetadata({ studyInstanceUID }),
    series: await client.retrieveSeriesMetadata(inSeries),
    instance: (await client.retrieveInstanceMetadata(one))[0],
  };
  const last = { ...inSeries, sopInstanceUID: files.at(-1).match(/([0-9.]+)\.dcm$/)[1] };
  outcome.objects = {
    study: (await client.retrieveStudy({ studyInstanceUID })).map(digest),
    series: (await client.retrieveSeries(inSeries)).map(digest),
    last: digest(await client.retrieveInstance(last)),
  };
  const rle = { mediaType: 'image/x-dicom-rle', transferSyntaxUID: '1.2.840.10008.1.2.5' };
  const frames = { ...one, frameNumbers: [2, 1] };
  outcome.frames = {
    usual: (await client.retrieveInstanceFrames(frames)).map(digest),
    coded: (await client.retrieveInstanceFrames({ ...frames, mediaTypes: [rle] })).map(digest),
    either: (await client.retrieveInstanceFrames({
      ...frames, mediaTypes: [rle, { mediaType: RAW, transferSyntaxUID: '1.2.840.10008.1.2.1' }],
    })).map(digest),
  };
  const picture = async (promise) => Buffer.from([].concat(await promise)[0]).subarray(0, 4).toString('hex');
  const png = [{ mediaType: 'image/png' }];
  outcome.pictures = {
    jpeg: await picture(client.retrieveInstanceRendered({ ...one, mediaTypes: [{ mediaType: 'image/jpeg' }] })),
    png: await picture(client.retrieveInstanceRendered({ ...one, mediaTypes: png })),
    frame: await picture(client.retrieveInstanceFramesRendered({ ...one, frameNumbers: [2], mediaTypes: png })),
    thumbnail: await picture(client.retrieveInstanceThumbnail({ ...one, mediaTypes: png })),
  };
  const uri = new URL(outcome.metadata.instance['00291001'].BulkDataURI, root).href;
  outcome.bulk = {
    whole: (await client.retrieveBulkData({ BulkDataURI: uri })).map(digest),
    part: (await single.retrieveBulkData({ BulkDataURI: uri,
      headers: { Accept: RAW, Range: 'bytes=10-19' } })).map(digest),
  };
  outcome.absent = await refusal(client.retrieveInstance({ ...one, sopInstanceUID: '2.25.404' }));
  outcome.wrong = await refusal(client.searchForStudies({ queryParams: { PatientNames: 'x' } }));
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

main().catch((error) => {
  process.stderr.write(`${error.stack} ${error.status} ${error.response}\n`);
  process.exit(1);
});
