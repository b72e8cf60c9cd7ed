const YEAR = 365 * 24 * 3600; // seconds

export default ({ data }) => {
  const age = data.name ? YEAR : 0;
  document.cookie = `${data.cookie}=${encodeURIComponent(data.name)}; Max-Age=${age}; Path=/; SameSite=Lax`;
};
