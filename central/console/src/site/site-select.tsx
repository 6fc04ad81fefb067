import { Select, type SelectProps } from '@mantine/core';
import { useMemo } from 'react';
import { OPTIONS_SHOWN_MAX } from './device-options';
import { useSiteDirectory } from './site-directory';

/** A site to choose, by a part of its name where there are many. */
export function SiteSelect(props: Omit<SelectProps, 'data'>) {
  const { sites } = useSiteDirectory();
  const data = useMemo(() => sites.map(({ id, name }) => ({ value: id, label: name })), [sites]);
  return (
    <Select
      aria-label="Site"
      searchable
      limit={OPTIONS_SHOWN_MAX}
      nothingFoundMessage="No such site"
      data={data}
      {...props}
    />
  );
}

/** A filter. */
export function EverySiteSelect(props: Omit<SelectProps, 'data'>) {
  return <SiteSelect placeholder="Every site" clearable allowDeselect {...props} />;
}
