// Segmentations read and written by dcmqi, images read by ITK and GDCM: @itk-wasm/dicom.
// usage: node itkwasm.mjs read NAME... | write NAME SEG.dcm IMAGE.dcm... | images NAME IMAGE.dcm...
// read makes of NAME.dcm, and write takes: NAME.json (geometry, segments of each layer) and
// NAME.raw (int16, little endian; all layers of a voxel together). read-segmentation knows one
// layer only: "merged" in NAME.json is what it gave, or null. images makes the same of a series,
// in the type of its voxels, without segments.
import { readFile, writeFile } from 'node:fs/promises';
import {
  readImageDicomFileSeriesNode,
  readOverlappingSegmentationNode,
  readSegmentationNode,
  writeSegmentationNode,
} from '@itk-wasm/dicom';

// Messages of the pipelines go where they disturb nobody.
console.log = console.error;

const [command, ...words] = process.argv.slice(2);

async function readMerged(path) {
  try {
    return Array.from((await readSegmentationNode(path)).segImage.data);
  } catch {
    return null; // more than one layer: its pipeline ends with an exception of the run time
  }
}

async function keep(name, image, more) {
  const { data, imageType, origin, spacing, direction, size } = image;
  await writeFile(`${name}.raw`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  await writeFile(
    `${name}.json`,
    JSON.stringify({
      type: imageType.componentType,
      origin,
      spacing,
      direction: Array.from(direction),
      size,
      layers: imageType.components,
      ...more,
    })
  );
}

async function read(name) {
  const { segImage, metaInfo } = await readOverlappingSegmentationNode(`${name}.dcm`);
  await keep(name, segImage, { metaInfo, merged: await readMerged(`${name}.dcm`) });
}

async function images(name, files) {
  const { outputImage } = await readImageDicomFileSeriesNode({ inputImages: files });
  await keep(name, outputImage, {});
}

async function write(name, path, files) {
  const { origin, spacing, direction, size, metaInfo } = JSON.parse(
    await readFile(`${name}.json`, 'utf8')
  );
  const bytes = await readFile(`${name}.raw`);
  const image = {
    imageType: { dimension: 3, componentType: 'int16', pixelType: 'Scalar', components: 1 },
    name: 'labels',
    origin,
    spacing,
    direction: Float64Array.from(direction),
    size,
    metadata: new Map(),
    data: Int16Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(2 * index)),
  };
  await writeSegmentationNode(image, metaInfo, path, { refDicomSeries: files });
}

if (command === 'read') {
  for (const name of words) {
    await read(name);
  }
} else if (command === 'write') {
  const [name, path, ...files] = words;
  await write(name, path, files);
} else if (command === 'images') {
  const [name, ...files] = words;
  await images(name, files);
} else {
  throw new Error(`no such command: ${command}`);
}
