export {
  ConfigurationError,
  type ConfigurationFault,
  describeFault,
  parseConfiguration,
  readConfigurationFile,
} from './configuration/configuration-file.js';
export {
  CameraConfiguration,
  OperationsConfiguration,
  RecordingServerConfiguration,
  SiteConfiguration,
  SiteIdentity,
  TlsConfiguration,
} from './configuration/site-configuration.js';
export {
  type CameraCredentials,
  generateSealingKey,
  openCredentials,
  SealedCredentialsError,
  sealCredentials,
} from './credentials/sealed-credentials.js';
