-- Which allocators?
SELECT coalesce(allocator, 'unknown') AS allocator, count(*) AS modules,
    string_agg(DISTINCT coalesce(toolchain, 'unknown'), ', ' ORDER BY coalesce(toolchain, 'unknown')) AS toolchains
FROM rows GROUP BY 1 ORDER BY 2 DESC, 1;

-- Which leak?
SELECT source, allocator, allocator_confidence AS confidence, size_bytes AS bytes
FROM rows WHERE list_contains(defects, 'leaks') ORDER BY 4 DESC, 1 LIMIT 20;

-- What else is wrong with allocators?
SELECT defect, count(*) AS modules, string_agg(DISTINCT allocator, ', ' ORDER BY allocator) AS allocators
FROM (SELECT unnest(defects) AS defect, allocator FROM rows) GROUP BY 1 ORDER BY 2 DESC, 1;

-- Who needs a host?
SELECT host, count(*) FILTER (outcome = 'runs') AS runs, count(*) FILTER (outcome = 'if') AS "runs if", count(*) FILTER (outcome = 'no') AS "no"
FROM (SELECT unnest(runs) AS host, 'runs' AS outcome FROM rows UNION ALL
      SELECT unnest(runs_if), 'if' FROM rows UNION ALL SELECT unnest(runs_not), 'no' FROM rows)
GROUP BY 1 ORDER BY 2 DESC, 3 DESC, 1;

-- Who makes the memory larger?
SELECT coalesce(growth, 'unknown') AS growth, count(*) AS modules, count(*) FILTER (imports = 0) AS "without imports",
    count(*) FILTER (list_contains(runs, 'bare')) AS "run without a host"
FROM rows GROUP BY 1 ORDER BY 2 DESC, 1;

-- How much memory at the start?
SELECT coalesce(toolchain, 'unknown') AS toolchain, count(pages) AS modules, min(pages) AS "least pages",
    quantile_disc(pages, 0.5) AS "median pages", max(pages) AS "most pages"
FROM (SELECT toolchain, memory_min_bytes::BIGINT // 65536 AS pages FROM rows) WHERE pages IS NOT NULL GROUP BY 1 ORDER BY 4, 1;

-- Which proposals?
SELECT proposal, count(*) AS modules, string_agg(DISTINCT coalesce(toolchain, 'unknown'), ', ' ORDER BY coalesce(toolchain, 'unknown')) AS toolchains
FROM (SELECT unnest(CASE WHEN len(proposals) > 0 THEN proposals ELSE ['none'] END) AS proposal, toolchain FROM rows)
GROUP BY 1 ORDER BY 2 DESC, 1;
