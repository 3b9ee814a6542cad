// The few icons of the pages, drawn with the colour of the text around them.

import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 20 20"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.7"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const LogoIcon = () => (
  <svg class="logo" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
    <rect width="32" height="32" rx="8" />
    <path d="M22.6 12.2A7.6 7.6 0 1 0 23.6 16M23.4 7.6v5.2h-5.2" />
  </svg>
);

export const RefreshIcon = () => (
  <Icon>
    <path d="M16 8.2A6.3 6.3 0 1 0 16.3 11M16.6 4.4v4h-4" />
  </Icon>
);

export const TableIcon = () => (
  <Icon>
    <rect x="3" y="4" width="14" height="12" rx="1.5" />
    <path d="M3 8.2h14M8 8.2V16" />
  </Icon>
);

export const ChartIcon = () => (
  <Icon>
    <path d="M3.5 3.5v13h13M7 12.5l3-3.5 2.5 2L16 6.5" />
  </Icon>
);

export const InfoIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="7" />
    <path d="M10 9.2v4.2M10 6.6v.1" />
  </Icon>
);

export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.2" />
    <path d="M10 2.5v1.7M10 15.8v1.7M2.5 10h1.7M15.8 10h1.7M4.7 4.7l1.2 1.2M14.1 14.1l1.2 1.2M15.3 4.7l-1.2 1.2M5.9 14.1l-1.2 1.2" />
  </Icon>
);

export const MoonIcon = () => (
  <Icon>
    <path d="M16.2 12.3A6.8 6.8 0 0 1 7.7 3.8a6.8 6.8 0 1 0 8.5 8.5Z" />
  </Icon>
);

export const AutoIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="6.6" />
    <path d="M10 3.4a6.6 6.6 0 0 1 0 13.2Z" fill="currentColor" />
  </Icon>
);

export const AlertIcon = () => (
  <Icon>
    <path d="M10 3.2 17.6 16.4H2.4Z" />
    <path d="M10 8.2v3.6M10 14v.1" />
  </Icon>
);

export const BoxIcon = () => (
  <Icon>
    <path d="M3 7.2 10 3.6l7 3.6v6L10 16.8l-7-3.6ZM3 7.2l7 3.6 7-3.6M10 10.8v6" />
  </Icon>
);

export const BackIcon = () => (
  <Icon>
    <path d="M11.8 4.5 6.2 10l5.6 5.5" />
  </Icon>
);

export const UpIcon = () => (
  <Icon>
    <path d="M10 16V4.5M5 9.4l5-5 5 5" />
  </Icon>
);

export const DownIcon = () => (
  <Icon>
    <path d="M10 4v11.5M5 10.6l5 5 5-5" />
  </Icon>
);
