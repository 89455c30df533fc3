"""What the published schema does not say about a field: how upstream's Go structs print it.

The definitions tell names, types and ``required``. Three more facts decide what a stored object looks like:

- a *value* scalar loses its zero (``hostNetwork: false`` disappears), a *pointer* keeps it (``replicas: 0``);
- a *value* struct is printed even when empty (``resources: {}``, ``status: {}``), a pointer only when set;
- a field without ``omitempty`` is printed whatever it holds (``rules: null``, ``numberReady: 0``).

Numbers and booleans are pointers unless they are named here, strings are values unless they are named here,
and so are nested structs the other way round. Keys are definitions without their ``io.k8s.`` prefixes, the
fields are those of upstream's API types (k8s.io/api, k8s.io/apimachinery).
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VALUE_SCALARS = _words("""
    observedGeneration minReadySeconds readOnly paused authenticated denied stdin stdinOnce tty chapAuthDiscovery
    chapAuthSession unschedulable hostIPC hostNetwork hostPID sslEnabled publishNotReadyAddresses clusterScope
    globalDefault deprecated exclusiveMaximum exclusiveMinimum nullable uniqueItems
    x-kubernetes-embedded-resource x-kubernetes-int-or-string insecureSkipTLSVerify
    numberAvailable numberUnavailable updatedNumberScheduled availableReplicas readyReplicas updatedReplicas
    unavailableReplicas currentReplicas fullyLabeledReplicas sizeBytes hostPort signal initialDelaySeconds
    periodSeconds successThreshold failureThreshold nodePort healthCheckNodePort number deprecatedCount
    matchingPrecedence handSize queueLengthLimit queues generation code retryAfterSeconds active failed succeeded
""")
"""Numbers and booleans that lose their zero, wherever the name occurs."""

VALUE_SCALARS_OF = _words("""
    api.core.v1.Probe.timeoutSeconds api.core.v1.AWSElasticBlockStoreVolumeSource.partition
    api.core.v1.GCEPersistentDiskVolumeSource.partition api.core.v1.Event.count api.core.v1.EventSeries.count
    api.apps.v1.DeploymentStatus.replicas api.autoscaling.v1.ScaleSpec.replicas
    apiextensions.v1.CustomResourceDefinitionSpec.preserveUnknownFields
    apiextensions.v1.CustomResourceColumnDefinition.priority
    api.resource.v1.ExactDeviceRequest.count api.resource.v1.DeviceSubRequest.count
""")
"""Numbers and booleans that lose their zero in one struct only."""

POINTER_SCALARS_OF = _words("""
    api.core.v1.AzureDiskVolumeSource.readOnly api.core.v1.AzureDiskVolumeSource.cachingMode
    api.core.v1.AzureDiskVolumeSource.fsType api.core.v1.AzureDiskVolumeSource.kind
    api.storage.v1.StorageClass.reclaimPolicy api.storage.v1.StorageClass.volumeBindingMode
    api.storage.v1.CSIDriverSpec.fsGroupPolicy api.core.v1.CSIVolumeSource.readOnly
    api.core.v1.PersistentVolumeClaimSpec.storageClassName api.core.v1.PersistentVolumeClaimSpec.volumeMode
    api.core.v1.PersistentVolumeClaimSpec.volumeAttributesClassName api.core.v1.PersistentVolumeSpec.volumeMode
    api.core.v1.PersistentVolumeSpec.volumeAttributesClassName api.core.v1.HostPathVolumeSource.type
    api.core.v1.PodSpec.runtimeClassName api.core.v1.PodSpec.hostnameOverride api.core.v1.PodSpec.preemptionPolicy
    api.core.v1.ServiceSpec.ipFamilyPolicy api.core.v1.ServiceSpec.loadBalancerClass
    api.core.v1.ServiceSpec.internalTrafficPolicy api.core.v1.ServiceSpec.trafficDistribution
    api.core.v1.ServicePort.appProtocol api.core.v1.EndpointPort.appProtocol api.core.v1.EndpointAddress.nodeName
    api.discovery.v1.EndpointPort.name api.discovery.v1.EndpointPort.protocol
    api.discovery.v1.EndpointPort.appProtocol api.discovery.v1.Endpoint.hostname api.discovery.v1.Endpoint.nodeName
    api.discovery.v1.Endpoint.zone api.networking.v1.IngressSpec.ingressClassName
    api.networking.v1.IngressClassParametersReference.apiGroup
    api.networking.v1.IngressClassParametersReference.scope
    api.networking.v1.IngressClassParametersReference.namespace api.core.v1.TypedLocalObjectReference.apiGroup
    api.core.v1.TypedObjectReference.apiGroup api.core.v1.TypedObjectReference.namespace
    api.networking.v1.NetworkPolicyPort.protocol api.coordination.v1.LeaseSpec.holderIdentity
    api.coordination.v1.LeaseSpec.preferredHolder api.coordination.v1.LeaseSpec.strategy
    api.admissionregistration.v1.WebhookClientConfig.url api.admissionregistration.v1.ServiceReference.path
    apiextensions.v1.WebhookClientConfig.url apiextensions.v1.ServiceReference.path
    apiextensions.v1.CustomResourceDefinitionVersion.deprecationWarning
    api.core.v1.SeccompProfile.localhostProfile api.core.v1.AppArmorProfile.localhostProfile
    api.core.v1.WindowsSecurityContextOptions.gmsaCredentialSpec
    api.core.v1.WindowsSecurityContextOptions.gmsaCredentialSpecName
    api.core.v1.WindowsSecurityContextOptions.runAsUserName api.core.v1.SecurityContext.procMount
    api.batch.v1.CronJobSpec.timeZone api.batch.v1.JobSpec.completionMode api.batch.v1.JobSpec.managedBy
    api.batch.v1.JobSpec.podReplacementPolicy api.batch.v1.JobStatus.failedIndexes api.core.v1.GRPCAction.service
    api.core.v1.VolumeMount.mountPropagation api.core.v1.VolumeMount.recursiveReadOnly
    api.core.v1.ISCSIVolumeSource.initiatorName api.core.v1.ISCSIPersistentVolumeSource.initiatorName
    api.core.v1.AzureDiskVolumeSource.fsType api.core.v1.AzureDiskVolumeSource.cachingMode
    api.core.v1.AzureDiskVolumeSource.kind api.core.v1.AzureFilePersistentVolumeSource.secretNamespace
    api.core.v1.CSIVolumeSource.fsType api.core.v1.LocalVolumeSource.fsType api.core.v1.Container.restartPolicy
    api.core.v1.PodSecurityContext.fsGroupChangePolicy api.core.v1.PodSecurityContext.supplementalGroupsPolicy
    api.core.v1.PodSecurityContext.seLinuxChangePolicy api.core.v1.PodDNSConfigOption.value
    api.core.v1.ClusterTrustBundleProjection.name api.core.v1.ClusterTrustBundleProjection.signerName
    api.core.v1.LoadBalancerIngress.ipMode api.core.v1.PortStatus.error api.networking.v1.IngressPortStatus.error
    api.storage.v1.VolumeAttachmentSource.persistentVolumeName
    api.storage.v1.StorageClass.reclaimPolicy api.storage.v1.StorageClass.volumeBindingMode
    api.admissionregistration.v1.MutatingWebhook.failurePolicy
    api.admissionregistration.v1.MutatingWebhook.matchPolicy
    api.admissionregistration.v1.MutatingWebhook.reinvocationPolicy
    api.admissionregistration.v1.MutatingWebhook.sideEffects
    api.admissionregistration.v1.ValidatingWebhook.failurePolicy
    api.admissionregistration.v1.ValidatingWebhook.matchPolicy
    api.admissionregistration.v1.ValidatingWebhook.sideEffects
    api.admissionregistration.v1.RuleWithOperations.scope
    api.autoscaling.v1.HorizontalPodAutoscalerStatus.observedGeneration
    api.autoscaling.v2.HorizontalPodAutoscalerStatus.observedGeneration
    api.autoscaling.v2.HPAScalingRules.selectPolicy api.certificates.v1beta1.CertificateSigningRequestSpec.signerName
    api.core.v1.GlusterfsPersistentVolumeSource.endpointsNamespace api.networking.v1.HTTPIngressPath.pathType
    api.scheduling.v1.PriorityClass.preemptionPolicy api.storage.v1.CSIDriverSpec.fsGroupPolicy
    apiextensions.v1.CustomResourceSubresourceScale.labelSelectorPath
    apis.meta.v1.Preconditions.uid apis.meta.v1.Preconditions.resourceVersion
    apis.meta.v1.DeleteOptions.propagationPolicy apiextensions.v1.JSONSchemaProps.$ref
    apiextensions.v1.JSONSchemaProps.x-kubernetes-list-type apiextensions.v1.JSONSchemaProps.x-kubernetes-map-type
    apiextensions.v1.ValidationRule.reason api.core.v1.EphemeralContainer.restartPolicy
    api.core.v1.TopologySpreadConstraint.nodeAffinityPolicy api.core.v1.TopologySpreadConstraint.nodeTaintsPolicy
    api.core.v1.PodResourceClaim.resourceClaimName api.core.v1.PodResourceClaim.resourceClaimTemplateName
    api.core.v1.PodResourceClaimStatus.resourceClaimName
    api.core.v1.PersistentVolumeClaimStatus.currentVolumeAttributesClassName
    api.admissionregistration.v1.MatchResources.matchPolicy
    api.admissionregistration.v1.MutatingAdmissionPolicySpec.failurePolicy
    api.admissionregistration.v1.NamedRuleWithOperations.scope
    api.admissionregistration.v1.ParamRef.parameterNotFoundAction
    api.admissionregistration.v1.ValidatingAdmissionPolicySpec.failurePolicy
    api.admissionregistration.v1.Validation.reason
    api.batch.v1.PodFailurePolicyOnExitCodesRequirement.containerName api.batch.v1.SuccessPolicyRule.succeededIndexes
    api.policy.v1.PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy
    api.resource.v1.AllocatedDeviceStatus.shareID api.resource.v1.Device.nodeName
    api.resource.v1.DeviceAttribute.string api.resource.v1.DeviceAttribute.version
    api.resource.v1.DeviceClassSpec.extendedResourceName api.resource.v1.DeviceConstraint.distinctAttribute
    api.resource.v1.DeviceConstraint.matchAttribute api.resource.v1.DeviceRequestAllocationResult.shareID
    api.resource.v1.ResourceSliceSpec.nodeName
""")
"""Scalars that keep their zero although their name or type says otherwise."""

POINTER_STRUCTS_OF = _words("api.networking.v1.IPAddressSpec.parentRef")
"""Required structs that may be missing all the same: validation asks for them."""

VALUE_STRUCTS_OF = _words("""
    api.apps.v1.DeploymentSpec.strategy api.apps.v1.DaemonSetSpec.updateStrategy
    api.apps.v1.StatefulSetSpec.updateStrategy api.apps.v1.ReplicaSetSpec.template
    api.core.v1.Container.resources api.core.v1.EphemeralContainer.resources
    api.core.v1.PersistentVolumeClaimSpec.resources api.core.v1.PodTemplate.template
    api.core.v1.PodTemplateSpec.spec api.batch.v1.JobTemplateSpec.spec
    api.core.v1.ServiceStatus.loadBalancer api.networking.v1.IngressStatus.loadBalancer
    api.core.v1.ContainerStatus.state api.core.v1.ContainerStatus.lastState
    api.core.v1.NodeStatus.daemonEndpoints api.core.v1.NodeStatus.nodeInfo
    api.core.v1.NodeDaemonEndpoints.kubeletEndpoint api.networking.v1.NetworkPolicySpec.podSelector
    api.core.v1.Event.source api.events.v1.Event.deprecatedSource api.events.v1.Event.regarding
    api.discovery.v1.Endpoint.conditions api.authentication.v1.TokenReviewStatus.user
    api.authentication.v1.SelfSubjectReviewStatus.userInfo
    api.networking.v1.IngressServiceBackend.port
    api.flowcontrol.v1.LimitedPriorityLevelConfiguration.limitResponse
    apiextensions.v1.CustomResourceDefinitionStatus.acceptedNames
""")
"""Structs below the top level that are printed even when empty."""

VALUE_TIMES = _words("""
    lastProbeTime lastTransitionTime lastUpdateTime lastHeartbeatTime firstTimestamp lastTimestamp eventTime
    deprecatedFirstTimestamp deprecatedLastTimestamp startedAt finishedAt lastObservedTime creationTimestamp
""")
"""Times that print null while they are unset. Servers up to v1.33 print creationTimestamp in pod templates too,
later ones leave it out; clients take both, and the recorded answers have it."""

ALWAYS_OF = _words("""
    api.core.v1.Event.reportingComponent api.core.v1.Event.reportingInstance
    api.core.v1.TypedLocalObjectReference.apiGroup api.core.v1.TypedObjectReference.apiGroup
    api.rbac.v1.ClusterRole.rules api.rbac.v1.Role.rules
    api.apps.v1.StatefulSetSpec.serviceName
    apiextensions.v1.CustomResourceDefinitionStatus.conditions
    apiextensions.v1.CustomResourceDefinitionStatus.storedVersions
    api.policy.v1.PodDisruptionBudgetStatus.currentHealthy api.policy.v1.PodDisruptionBudgetStatus.desiredHealthy
    api.policy.v1.PodDisruptionBudgetStatus.disruptionsAllowed
    api.policy.v1.PodDisruptionBudgetStatus.expectedPods
    api.discovery.v1.EndpointSlice.endpoints api.discovery.v1.EndpointSlice.ports
    api.autoscaling.v2.HorizontalPodAutoscalerStatus.currentMetrics
    api.scheduling.v1.PriorityClass.value api.authentication.v1.TokenRequestSpec.boundObjectRef
    api.core.v1.ResourceFieldSelector.divisor api.storage.v1.CSINodeDriver.topologyKeys
    api.flowcontrol.v1.ResourcePolicyRule.namespaces api.core.v1.ContainerImage.names
    api.networking.v1.IngressClassParametersReference.apiGroup
    api.apps.v1.DeploymentSpec.selector api.apps.v1.ReplicaSetSpec.selector api.apps.v1.StatefulSetSpec.selector
    api.apps.v1.DaemonSetSpec.selector api.storage.v1.VolumeError.time
""")
"""Fields without ``omitempty`` that the definitions do not call required."""

PRINTED_STRINGS_OF = _words("""
    api.certificates.v1.CertificateSigningRequestSpec
    api.core.v1.NodeSystemInfo api.core.v1.ContainerStatus api.core.v1.NodeAddress api.core.v1.NodeCondition
    api.core.v1.TypedLocalObjectReference apiextensions.v1.CustomResourceDefinitionNames
    api.core.v1.PersistentVolumeClaimCondition api.core.v1.PodCondition api.core.v1.PortStatus
    api.core.v1.NamespaceCondition api.networking.v1.IngressPortStatus
    api.core.v1.ReplicationControllerCondition api.core.v1.Sysctl api.apps.v1.DaemonSetCondition
    api.apps.v1.DeploymentCondition api.apps.v1.ReplicaSetCondition api.apps.v1.StatefulSetCondition
    api.autoscaling.v2.HorizontalPodAutoscalerCondition api.batch.v1.JobCondition apis.meta.v1.Condition
    api.certificates.v1.CertificateSigningRequestCondition
    apiextensions.v1.CustomResourceDefinitionCondition apiregistration.v1.APIServiceCondition
    api.autoscaling.v2.MetricIdentifier api.autoscaling.v2.ResourceMetricStatus
    api.autoscaling.v2.ContainerResourceMetricStatus api.autoscaling.v2.CrossVersionObjectReference
    apis.meta.v1.OwnerReference apis.meta.v1.LabelSelectorRequirement api.autoscaling.v2.MetricStatus
""")
"""Structs whose required strings may well be empty; elsewhere validation asks for them."""

KEPT_LISTS_OF = _words("""
    api.autoscaling.v2.HPAScalingRules.policies apiextensions.v1.JSONSchemaProps.dependencies
""")
"""Lists and maps that are told from missing ones when they are empty: validation refuses those."""

LIST_KEY_DEFAULTS = {
    "api.core.v1.Container.ports": {"protocol": "TCP"},
    "api.core.v1.EphemeralContainer.ports": {"protocol": "TCP"},
    "api.core.v1.ServiceSpec.ports": {"protocol": "TCP"},
}
"""Defaults of list map keys, so that an item names itself although it leaves a key out."""

NAMED_LISTS = {
    "api.authorization.v1.SubjectAccessReviewSpec.extra": "v1.ExtraValue",
    "api.authentication.v1.UserInfo.extra": "v1.ExtraValue",
    "api.certificates.v1.CertificateSigningRequestSpec.extra": "v1.ExtraValue",
}
"""Go names of the lists that are the values of these maps."""

NAMED_GO_TYPES = {
    "api.core.v1.ResourceRequirements.limits": "v1.ResourceList",
    "api.core.v1.ResourceRequirements.requests": "v1.ResourceList",
    "api.core.v1.ResourceQuotaSpec.hard": "v1.ResourceList",
    "api.core.v1.Container.imagePullPolicy": "v1.PullPolicy",
    "api.core.v1.PodSpec.restartPolicy": "v1.RestartPolicy",
    "api.core.v1.PodSpec.dnsPolicy": "v1.DNSPolicy",
    "api.core.v1.ContainerPort.protocol": "v1.Protocol",
    "api.core.v1.ServicePort.protocol": "v1.Protocol",
    "api.core.v1.ServiceSpec.type": "v1.ServiceType",
    "apis.meta.v1.ObjectMeta.uid": "types.UID",
    "api.core.v1.VolumeResourceRequirements.limits": "v1.ResourceList",
    "api.core.v1.VolumeResourceRequirements.requests": "v1.ResourceList",
    "api.core.v1.PodSpec.overhead": "v1.ResourceList",
    "api.core.v1.NodeStatus.capacity": "v1.ResourceList",
    "api.core.v1.NodeStatus.allocatable": "v1.ResourceList",
    "api.core.v1.PersistentVolumeSpec.capacity": "v1.ResourceList",
    "api.core.v1.PersistentVolumeSpec.accessModes": "v1.PersistentVolumeAccessMode",
    "api.core.v1.PersistentVolumeClaimSpec.accessModes": "v1.PersistentVolumeAccessMode",
    "api.core.v1.PersistentVolumeClaimStatus.accessModes": "v1.PersistentVolumeAccessMode",
    "api.core.v1.PersistentVolumeClaimStatus.capacity": "v1.ResourceList",
    "api.core.v1.Capabilities.add": "v1.Capability",
    "api.core.v1.Capabilities.drop": "v1.Capability",
    "api.core.v1.NamespaceSpec.finalizers": "v1.FinalizerName",
    "api.core.v1.ResourceQuotaSpec.scopes": "v1.ResourceQuotaScope",
    "api.core.v1.ServiceSpec.ipFamilies": "v1.IPFamily",
    "api.networking.v1.NetworkPolicySpec.policyTypes": "v1.PolicyType",
    "api.admissionregistration.v1.RuleWithOperations.operations": "v1.OperationType",
    "api.certificates.v1.CertificateSigningRequestSpec.usages": "v1.KeyUsage",
    "api.storage.v1.CSIDriverSpec.volumeLifecycleModes": "v1.VolumeLifecycleMode",
}
"""Go names of named scalar and map types, for decoding messages."""


def short_name(definition: str) -> str:
    """``io.k8s.api.core.v1.Pod`` gives ``api.core.v1.Pod``: the form of the keys here."""
    for prefix in (
        "io.k8s.apimachinery.pkg.",
        "io.k8s.apiextensions-apiserver.pkg.apis.",
        "io.k8s.kube-aggregator.pkg.apis.",
        "io.k8s.",
    ):
        if definition.startswith(prefix):
            return definition[len(prefix) :]
    return definition
