// Requests of one kind to a node, by dcmjs-dimse; the outcome as one line of JSON.
// usage: node scu.js PORT echo | store FILE... | find STUDY | get STUDY | move STUDY DESTINATION
//                         | commit OWN_PORT SOP_CLASS=SOP_INSTANCE...
'use strict';

const net = require('net');
const dimse = require('dcmjs-dimse');

const { Client, Dataset, Scp, Server, requests, responses } = dimse;
const { PresentationContextResult, Status } = dimse.constants;
const PUSH_MODEL = '1.2.840.10008.1.20.1';
const TITLE = 'DCMJS';

dimse.log.level = 'error';

const [port, command, ...words] = process.argv.slice(2);
const client = new Client();
const outcome = { statuses: [], answers: [], received: [] };

function finish() {
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
  process.exit(outcome.error === undefined ? 0 : 1);
}

function add(request) {
  request.on('response', (response) => {
    const status = response.getStatus();
    outcome.statuses.push(status);
    if (status === Status.Pending && response.hasDataset()) {
      outcome.answers.push(response.getDataset().getElements());
    }
    if (response.getCompleted !== undefined && status !== Status.Pending) {
      outcome.completed = response.getCompleted();
      outcome.failed = response.getFailures();
    }
  });
  client.addRequest(request);
}

class Reported extends Scp {
  associationRequested(association) {
    association.getPresentationContexts().forEach((one) => {
      const context = association.getPresentationContext(one.id);
      const wanted = context.getAbstractSyntaxUid() === PUSH_MODEL;
      if (wanted) {
        context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
      } else {
        context.setResult(PresentationContextResult.RejectAbstractSyntaxNotSupported);
      }
    });
    outcome.reporter = association.getCallingAeTitle();
    this.sendAssociationAccept();
  }

  nEventReportRequest(request, callback) {
    outcome.event = request.getEventTypeId();
    outcome.report = request.getDataset().getElements();
    const response = responses.NEventReportResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
    setTimeout(finish, 50);
  }
}

// The server would listen at every address of the machine.
function onThisMachineOnly() {
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function listenLocally(where, ...more) {
    return listen.call(this, where, '127.0.0.1', ...more);
  };
}

function askForCommitment(ownPort, references) {
  onThisMachineOnly();
  new Server(Reported).listen(Number(ownPort));
  const request = new requests.NActionRequest(PUSH_MODEL, `${PUSH_MODEL}.1`, 1);
  outcome.transaction = Dataset.generateDerivedUid();
  request.setDataset(
    new Dataset({
      TransactionUID: outcome.transaction,
      ReferencedSOPSequence: references.map((reference) => {
        const [sopClass, sopInstance] = reference.split('=');
        return { ReferencedSOPClassUID: sopClass, ReferencedSOPInstanceUID: sopInstance };
      }),
    })
  );
  add(request);
}

function prepare() {
  switch (command) {
    case 'echo':
      return add(new requests.CEchoRequest());
    case 'store':
      return words.forEach((file) => add(new requests.CStoreRequest(file)));
    case 'find':
      return add(
        requests.CFindRequest.createStudyFindRequest({
          StudyInstanceUID: words[0],
          PatientName: '',
          NumberOfStudyRelatedInstances: '',
        })
      );
    case 'get':
      client.on('cStoreRequest', (request, callback) => {
        outcome.received.push(request.getAffectedSopInstanceUid());
        const response = responses.CStoreResponse.fromRequest(request);
        response.setStatus(Status.Success);
        callback(response);
      });
      return add(requests.CGetRequest.createStudyGetRequest(words[0]));
    case 'move':
      return add(requests.CMoveRequest.createStudyMoveRequest(words[1], words[0]));
    case 'commit':
      return askForCommitment(words[0], words.slice(1));
    default:
      throw new Error(`no such command: ${command}`);
  }
}

prepare();
client.on('networkError', (error) => {
  outcome.error = String(error);
  finish();
});
client.on('associationRejected', (result) => {
  outcome.error = `rejected: ${JSON.stringify(result)}`;
  finish();
});
if (command !== 'commit') {
  client.on('closed', finish);
}
client.send('127.0.0.1', Number(port), TITLE, 'MURPACS', { associationLingerTimeout: 0 });
