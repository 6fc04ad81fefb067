import { createRequire } from 'node:module';

// swc parses `using` declarations, but the visitor that dependency-cruiser walks its tree with does not know them.
const { Visitor } = createRequire(import.meta.url)('@swc/core/Visitor.js');
const { visitStatement } = Visitor.prototype;
Visitor.prototype.visitStatement = function (statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement);
  this.visitVariableDeclarators(statement.decls);
  return statement;
};

// The folder tree is the architecture: each package may import what stands to its left, never to its right.
const layers = ['schema', 'protos', 'core', 'interconnect', 'sites', 'central', 'test'];

const packageDirection = layers.map((layer, index) => ({
  name: `direction-${layer}`,
  severity: 'error',
  comment: `${layer} may import only: ${layers.slice(0, index).join(', ') || 'nothing of ours'}`,
  from: { path: `^${layer}/` },
  to: {
    path: `^(${[...layers.slice(index + 1), ...(layer === 'protos' ? ['schema'] : []), 'none'].join('|')})/`,
  },
}));

export default {
  forbidden: [
    ...packageDirection,
    { name: 'core-knows-no-protos', severity: 'error', from: { path: '^core/' }, to: { path: '^protos/' } },
    {
      name: 'servers-meet-in-the-log',
      severity: 'error',
      comment: 'The servers of a site meet in the log or over a channel; they do not import each other.',
      from: { path: '^sites/recording-server/' },
      to: { path: '^sites/management-server/' },
    },
    {
      name: 'servers-meet-in-the-log-too',
      severity: 'error',
      from: { path: '^sites/management-server/' },
      to: { path: '^sites/recording-server/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'console-stands-alone',
      severity: 'error',
      comment: 'The console knows only the SDL and the media endpoints.',
      from: { path: '^central/console/' },
      to: { path: '^(schema|protos|core|interconnect|sites|central/(?!console/)|test)' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.mjs', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'types'],
    },
  },
};
