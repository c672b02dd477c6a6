// Segmentations read and written by dcmqi, as @itk-wasm/dicom holds it.
// usage: node segmentation.mjs read NAME... | write NAME SEG.dcm IMAGE.dcm...
// read makes of NAME.dcm, and write takes: NAME.json (geometry, segments of each layer) and NAME.raw
// (int16, little endian; all layers of a voxel together). read-segmentation knows one layer only:
// "merge" in NAME.json tells whether it gave the same, or why not.
import { readFile, writeFile } from 'node:fs/promises';
import {
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

async function read(name) {
  const { segImage, metaInfo } = await readOverlappingSegmentationNode(`${name}.dcm`);
  const { data, imageType, origin, spacing, direction, size } = segImage;
  const merged = await readMerged(`${name}.dcm`);
  await writeFile(`${name}.raw`, new Uint8Array(Int16Array.from(data).buffer));
  await writeFile(
    `${name}.json`,
    JSON.stringify({
      origin,
      spacing,
      direction: Array.from(direction),
      size,
      layers: imageType.components,
      metaInfo,
      merged,
    })
  );
}

async function write(name, path, images) {
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
  await writeSegmentationNode(image, metaInfo, path, { refDicomSeries: images });
}

if (command === 'read') {
  for (const name of words) {
    await read(name);
  }
} else if (command === 'write') {
  const [name, path, ...images] = words;
  await write(name, path, images);
} else {
  throw new Error(`no such command: ${command}`);
}
